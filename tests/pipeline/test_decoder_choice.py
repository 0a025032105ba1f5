"""Which decoder is used: the experiment's, a file's, ``--set``'s, or the one that a command's own options are of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dstoolkit import config
from dstoolkit.config import Choice
from dstoolkit.errors import DstoolkitError
from dstoolkit.pipeline import decoder_choice

GREEDY = Choice("greedy")


def chosen(
    default: Choice = GREEDY, path: Path | None = None, overrides: tuple[str, ...] = (), **own: Any
) -> dict[str, Any]:
    found: dict[str, Any] = config.plain(decoder_choice.choose(default, path, overrides, own))
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "best.yaml"
    path.write_text("decoder: {name: beam, alpha: 0.25, beam: 7}\ntrain: {epochs: 3}\n")
    return path


@pytest.mark.parametrize(
    ("default", "overrides", "own", "expected"),
    [
        (GREEDY, (), {}, {"name": "greedy"}),
        (GREEDY, (), {"lm": None, "beam": None}, {"name": "greedy"}),
        (GREEDY, (), {"lm": "a.arpa", "beam": None}, {"name": "beam", "lm": "a.arpa"}),
        (GREEDY, ("decoder=beam",), {"alpha": 0.0}, {"name": "beam", "alpha": 0.0}),
        (GREEDY, ("decoder=beam", "decoder.beta=2"), {"beta": 3.0}, {"name": "beam", "beta": 3.0}),
        (GREEDY, ("decoder.beta=2", "decoder=beam"), {}, {"name": "beam", "beta": 2}),
        (GREEDY, ("decoder.beta=2", "decoder.name=beam", "decoder.beta=3"), {}, {"name": "beam", "beta": 3}),
        (Choice("beam", {"beam": 5}), (), {"nbest": 2}, {"name": "beam", "beam": 5, "nbest": 2}),
        (Choice("beam", {"beam": 5}), ("decoder.beam=6",), {}, {"name": "beam", "beam": 6}),
        (Choice("beam", {"beam": 5}), ("decoder=greedy",), {}, {"name": "greedy"}),
    ],
)
def test_what_is_chosen(default: Choice, overrides: tuple[str, ...], own: Any, expected: dict[str, Any]) -> None:
    assert chosen(default, None, overrides, **own) == expected


def test_a_file_is_overridden_by_set_and_own_options(file: Path) -> None:
    assert chosen(path=file) == {"name": "beam", "alpha": 0.25, "beam": 7}
    found = chosen(path=file, overrides=("decoder.beam=8",), alpha=1.0)
    assert found == {"name": "beam", "alpha": 1.0, "beam": 8}


@pytest.mark.parametrize(
    ("overrides", "own", "says"),
    [
        (
            ("decoder=greedy",),
            {"lm": "a.arpa"},
            "--lm: decoder 'greedy' has no option 'lm'; choose one that has with --set decoder=beam, or leave --lm out",
        ),
        (("decoder=beem",), {}, "--set: decoder: no decoder 'beem'"),
        (("train.epochs=3",), {}, "--set train.epochs=3: not used in decoding; expected decoder=NAME or decoder."),
        (("decoder=beam", "decoder.bem=3"), {}, "--set: decoder.bem: no such option; did you mean 'beam'?"),
        (("decoder=[1]",), {}, "--set: decoder: [1]; expected a plugin's name"),
    ],
)
def test_what_is_refused(overrides: tuple[str, ...], own: Any, says: str) -> None:
    with pytest.raises(DstoolkitError) as raised:
        decoder_choice.made_by(decoder_choice.choose(GREEDY, None, overrides, own))
    assert str(raised.value).startswith(says)


def test_every_option_that_greedy_lacks_is_named() -> None:
    with pytest.raises(DstoolkitError) as raised:
        chosen(overrides=("decoder=greedy",), lm="a.arpa", alpha=1.0, nbest=None)
    assert [line.split(":")[0] for line in str(raised.value).splitlines()] == ["--lm", "--alpha"]


def test_a_file_without_a_decoder(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("train: {epochs: 3}\n")
    with pytest.raises(DstoolkitError, match=r"x\.yaml: no section 'decoder'; expected a decoder and its options"):
        chosen(path=tmp_path / "x.yaml")


def test_files_count_by_their_content_not_by_their_name(tmp_path: Path) -> None:
    for name, text in (("a", "yes\nno\n"), ("b", "yes\nno\n"), ("c", "yes\n")):
        (tmp_path / name).write_text(text)
    made = {name: decoder_choice.made_by(Choice("beam", {"lexicon": str(tmp_path / name)})) for name in "abc"}
    assert made["a"] == made["b"]
    assert made["a"][0] == made["c"][0]
    assert made["a"][1].keys() == made["c"][1].keys() == {"decoder.lexicon"}
    assert made["a"][1] != made["c"][1]
    with pytest.raises(DstoolkitError, match=r"absent: no such file; decoder option 'lexicon' names it"):
        decoder_choice.made_by(Choice("beam", {"lexicon": str(tmp_path / "absent")}))
