"""Two systems on one test: figures against those of each alone, and what cannot be compared."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from dstoolkit.errors import DataError, Faults
from dstoolkit.scoring import comparison, report
from dstoolkit.scoring.comparison import Aligned, System
from dstoolkit.scoring.significance import mapsswe
from dstoolkit.scoring.wer import score

REFERENCES = {"s1-a": "the cat sat on the mat", "s1-b": "yes", "s2-a": "no it is not so"}
SPEAKERS = {"s1-a": "s1", "s1-b": "s1", "s2-a": "s2"}
WORSE = {"s1-a": "the hat sat on mat", "s1-b": "", "s2-a": "no it is not so"}
BETTER = {"s1-a": "the cat sat on mat", "s1-b": "yes", "s2-a": "no it is so"}


def system(hypotheses: dict[str, str], name: str, speakers: dict[str, str] | None = SPEAKERS) -> System:
    return System.of(score(REFERENCES, hypotheses, speakers), name, {}, "As they stand.")


def row(text: str, name: str) -> list[str]:
    """The cells of the table row that begins so."""
    (line,) = [each for each in text.splitlines() if each.startswith(f"| {name} ")]
    return [each.strip() for each in line.split("|")[2:-1]]


def test_figures_by_hand() -> None:
    found = comparison.compare(system(WORSE, "old"), system(BETTER, "new"))
    assert found.a.counts == score(REFERENCES, WORSE).wer
    assert found.difference == pytest.approx(3 / 12 - 2 / 12)
    assert found.test == mapsswe(["CSCCDC", "D", "CCCCC"], ["CCCCDC", "C", "CCCDC"])
    assert (found.by_utterance.units, found.by_speaker and found.by_speaker.units) == (3, 2)
    text = comparison.text(found)
    assert row(text, "A") == ["old", "25.00", "3", "12", "1", "2", "0"]
    assert row(text, "B") == ["new", "16.67", "2", "12", "0", "2", "0"]
    assert row(text, "bootstrap by speakers")[0] == "8.33"
    assert row(text, "MAPSSWE") == ["4", "0.250", "0.957", "0.522", "0.6015"]
    assert "No significant difference at the level 0.05 (MAPSSWE, two-tailed, few segments)." in text
    assert text.endswith("Alignment levenshtein. As they stand.\n")


def test_many_utterances_and_the_other_way_round() -> None:
    generator = random.Random(1)
    references = {f"u{at}": " ".join(generator.choices("abcdefgh", k=12)) for at in range(300)}

    def heard(error: float) -> dict[str, str]:
        return {
            key: " ".join("x" if generator.random() < error else word for word in text.split())
            for key, text in references.items()
        }

    a, b = (System.of(score(references, heard(error)), "", {}) for error in (0.2, 0.15))
    there, back = comparison.compare(a, b), comparison.compare(b, a)
    assert there.by_speaker is None
    assert there.by_utterance.low < there.difference < there.by_utterance.high
    assert there.difference == -back.difference
    assert "B makes fewer errors, significantly at the level 0.05 (MAPSSWE, two-tailed)." in there.verdict
    assert back.verdict.startswith("A makes fewer errors")
    assert comparison.compare(a, b, level=1 - 1e-12).verdict.startswith("No significant difference")
    wide, narrow = (comparison.compare(a, b, level=level).by_utterance for level in (0.99, 0.5))
    assert wide.low < narrow.low < narrow.high < wide.high
    assert comparison.compare(a, b, seed=1).by_utterance != there.by_utterance


def test_speakers_known_to_one_system_alone() -> None:
    found = comparison.compare(system(WORSE, "A", None), system(BETTER, "B"))
    assert found.by_speaker is not None
    alone = {"s1-a": "s1", "s1-b": "s1", "s2-a": "s1"}
    assert comparison.compare(system(WORSE, "A", alone), system(BETTER, "B", None)).by_speaker is None


def test_what_is_never_shown_as_certain() -> None:
    found = comparison.compare(system(WORSE, "A"), system(BETTER, "B"))
    assert 0 < float(row(comparison.text(found), "bootstrap by utterances")[2]) < 100
    same = comparison.compare(system(WORSE, "A"), system(WORSE, "B"))
    assert row(comparison.text(same), "bootstrap by utterances")[:3] == ["0.00", "0.00 to 0.00", "50.00"]
    assert row(comparison.text(same), "MAPSSWE")[-1] == "1.0000"
    always = comparison.compare(system(WORSE, "A"), system(REFERENCES, "B"))
    assert always.verdict.startswith("Undecided: B has fewer errors")
    assert row(comparison.text(always), "MAPSSWE") == ["3", "1.000", "0.000", "", ""]
    assert json.loads(comparison.as_json(always))["mapsswe"]["p"] is None
    both = comparison.compare(system(REFERENCES, "A"), system(REFERENCES, "B"))
    assert both.verdict == "Neither system makes an error."


def test_wer_json_holds_what_is_needed(tmp_path: Path) -> None:
    scores = score(REFERENCES, WORSE, SPEAKERS)
    path = tmp_path / "wer.json"
    path.write_text(report.as_json(scores, "Lower case.", {"case": "lower"}))
    found = comparison.read(path, "old")
    assert found == System.of(scores, "old", {"case": "lower"}, "Lower case.")
    assert found.utterances["s1-a"] == Aligned("s1", "the cat sat on the mat", "CSCCDC")


def altered(key: str, value: object) -> dict[str, object]:
    contents: dict[str, object] = json.loads(report.as_json(score(REFERENCES, WORSE)))
    contents["utterances"][0][key] = value  # type: ignore[index]
    return contents


@pytest.mark.parametrize(
    ("contents", "found"),
    [
        ([], "not the scores of 'dstoolkit score'; score it anew"),
        ({}, "not the scores of 'dstoolkit score'"),
        ({"format": 99}, "format 99; expected 1; score it anew"),
        ({"format": 1, "utterances": 3}, "not the scores of 'dstoolkit score'"),
        (altered("id", "s1-b"), "not the scores of 'dstoolkit score'"),
        (altered("speaker", None) | {"utterances": []}, "not the scores of 'dstoolkit score'"),
        (altered("speaker", None) | {"texts": 3}, "not the scores of 'dstoolkit score'"),
        (altered("steps", "CSCCD"), "the steps of utterance 's1-a' do not fit its reference"),
        (altered("steps", "CSCCDX"), "the steps of utterance 's1-a' do not fit its reference"),
        (altered("steps", 6), "not the scores of 'dstoolkit score'"),
        (altered("reference", "the cat"), "the steps of utterance 's1-a' do not fit its reference"),
    ],
)
def test_files_that_are_no_scores(tmp_path: Path, contents: object, found: str) -> None:
    (tmp_path / "wer.json").write_text(json.dumps(contents))
    with pytest.raises(DataError) as caught:
        comparison.read(tmp_path / "wer.json", "old")
    assert str(caught.value).startswith(f"{tmp_path}/wer.json: {found}")


def faults(a: System, b: System) -> list[str]:
    with pytest.raises((DataError, Faults)) as caught:
        comparison.compare(a, b)
    return str(caught.value).splitlines()


def test_notes_that_differ_are_both_said() -> None:
    one, other = (System.of(score(REFERENCES, BETTER), name, {}, f"{name} said.") for name in ("one", "other"))
    assert comparison.text(comparison.compare(one, other)).endswith(
        "Alignment levenshtein. A: one said. B: other said.\n"
    )


def test_what_was_not_scored_alike() -> None:
    a = System("A", {}, "levenshtein", {"case": "lower", "punctuation": "keep"})
    b = System(
        "B", {}, "sclite", {"case": "upper", "punctuation": "keep", "glm": {"name": "en.glm", "digest": "0" * 64}}
    )
    assert faults(a, b) == [
        "B: alignment 'sclite'; 'A' has 'levenshtein'; score both alike",
        "B: scored with case 'upper'; 'A' with case 'lower'; score both alike",
        "B: scored with the substitutions of 'en.glm' (00000000); 'A' with no substitutions; score both alike",
    ]
    assert faults(a, System("B", {}, "levenshtein", {})) == [
        "B: scored with case as it stands; 'A' with case 'lower'; score both alike",
        "B: scored with punctuation as it stands; 'A' with punctuation 'keep'; score both alike",
    ]


def test_other_utterances() -> None:
    a = System("A", {"u1": Aligned("s1", "yes", "C"), "u2": Aligned(None, "no", "C")}, "levenshtein", {})
    b = System("B", {"u1": Aligned("s2", "yes", "C"), "u3": Aligned(None, "no", "C")}, "levenshtein", {})
    assert faults(a, b) == [
        "A: no utterance 'u3'; 'B' has one",
        "B: no utterance 'u2'; 'A' has one",
        "B: the speaker of 'u1' is 's2'; in 'A' it is 's1'",
    ]
    c = System("C", {"u1": Aligned("s1", "yes " * 40, "C" * 40), "u2": Aligned(None, "no", "C")}, "levenshtein", {})
    assert faults(a, c) == [f"C: the reference of 'u1' is '{'yes ' * 15}...'; in 'A' it is 'yes'"]


def test_speakers_are_summed_before_they_are_drawn() -> None:
    """Two speakers: each replica is one of them twice, or both; so the rates of replicas are three, known ones."""
    found = comparison.compare(system(WORSE, "A"), system(BETTER, "B")).by_speaker
    assert found is not None
    first, second = 2 / 7, -1 / 5  # errors of A less B over reference words, by speaker
    assert (found.low, found.high) == pytest.approx((second, first))
    assert found.improvement == pytest.approx(0.75, abs=0.02)
