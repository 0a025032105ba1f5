"""What is done to references and hypotheses before they are compared, and that it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from dstoolkit.errors import ConfigError, DataError
from dstoolkit.pipeline import transcripts
from dstoolkit.text.normalize import Normalization


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ref").write_text("u1 I'm Gonna go, now.\nu2 Two aircraft\n")
    (tmp_path / "hyp.trn").write_text("i'm going to go now (u1)\ntwo air craft (u2)\n")
    (tmp_path / "rules.glm").write_text(
        ";;\n* case_sensitive 'F'\nGONNA => GOING TO\nAIRCRAFT => AIR CRAFT / [ ] __ [ ]\n"
    )
    return tmp_path


def read(folder: Path, treatment: transcripts.Treatment) -> transcripts.Transcripts:
    return transcripts.read(folder / "ref", folder / "hyp.trn", treatment)


def test_as_they_stand_by_default(folder: Path) -> None:
    found = read(folder, transcripts.choose())
    assert found.references == {"u1": "I'm Gonna go, now.", "u2": "Two aircraft"}
    assert found.hypotheses == {"u1": "i'm going to go now", "u2": "two air craft"}
    assert found.note == "Texts compared as they stand."
    assert found.treatment == {}


def test_punctuation_and_case_then_substitutions(folder: Path) -> None:
    treatment = transcripts.choose(case="lower", punctuation="remove", rules=folder / "rules.glm")
    found = read(folder, treatment)
    assert found.references == found.hypotheses == {"u1": "i'm going to go now", "u2": "two air craft"}
    assert found.note == (
        "Both sides normalised: case lower, punctuation remove, unicode none, numbers keep; "
        "2 rules of rules.glm (any case), 2 times in the references and 0 in the hypotheses."
    )
    assert found.treatment["glm"]["name"] == "rules.glm"
    assert {key: found.treatment[key] for key in ("case", "punctuation")} == {"case": "lower", "punctuation": "remove"}


def test_rules_meet_normalised_texts_and_what_they_write_is_normalised(tmp_path: Path) -> None:
    path = tmp_path / "rules.glm"
    path.write_text("UM => / [ ] __ [ ]\nOK => O. K. / [ ] __ [ ]\n")
    texts = {"u": "Um, OK. Um"}
    assert transcripts.choose(rules=path).apply(texts) == ({"u": "Um, OK. Um"}, 0)
    assert transcripts.choose(rules=path, punctuation="remove").apply(texts) == ({"u": "Um O K Um"}, 1)
    assert transcripts.choose(rules=path, punctuation="remove", case="lower").apply(texts) == ({"u": "o k"}, 3)
    assert transcripts.choose(rules=path, case="upper").apply({"u": "um ok"}) == ({"u": "O. K."}, 2)


def test_the_digest_tells_rules_of_one_name_apart(folder: Path) -> None:
    before = transcripts.choose(rules=folder / "rules.glm").as_dict()
    (folder / "rules.glm").write_text("WANNA => WANT TO\n")
    after = transcripts.choose(rules=folder / "rules.glm")
    assert after.as_dict() != before
    assert "1 rule of rules.glm (case counts)" in read(folder, after).note


def test_options_alone_change_nothing_else() -> None:
    decomposed = {"u": "E\u0301T\u00c9,  1"}
    assert transcripts.choose(case="lower").apply(decomposed)[0] == {"u": "e\u0301t\u00e9, 1"}
    assert transcripts.choose(punctuation="remove").apply(decomposed)[0] == {"u": "E\u0301T\u00c9 1"}


def test_options_go_before_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text("text: {case: lower, unicode: NFKC}\n")
    chosen = transcripts.choose(path, ("text.punctuation=keep",), case="upper")
    assert chosen.normalization == Normalization("upper", "keep", "NFKC")
    assert transcripts.choose(path).normalization == Normalization("lower", "remove", "NFKC")


def test_what_cannot_be_done(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"--set: text\.cas: no such option"):
        transcripts.choose(None, ("text.cas=keep",))
    with pytest.raises(ConfigError, match="expected 'option: value' lines"):
        transcripts.choose(None, ("text=lower",), case="lower")
    with pytest.raises(ConfigError, match="case"):
        transcripts.choose(case="small")
    (folder / "rules.glm").write_text("HE'S => {HE IS / HE HAS}\n")
    with pytest.raises(DataError, match=r"rules\.glm:1: alternatives"):
        transcripts.choose(rules=folder / "rules.glm")
