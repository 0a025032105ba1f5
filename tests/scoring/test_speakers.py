"""The table by speaker: against what sclite 2.10 wrote. More in test_sclite.py."""

from __future__ import annotations

import pytest

from dstoolkit.scoring import speakers
from dstoolkit.scoring.wer import score

REFERENCES = {"b-1": "a b c", "c-1": "x", "a-1": "a b", "d-1": ""}
HYPOTHESES = {"b-1": "a b c", "c-1": "x", "a-1": "a d", "d-1": ""}
BY_SCLITE = """
    a       1   2  50.0 50.0  0.0  0.0 50.0 100.0
    b       1   3 100.0  0.0  0.0  0.0  0.0   0.0
    c       1   1 100.0  0.0  0.0  0.0  0.0   0.0
    Sum/Avg 3   6  83.3 16.7  0.0  0.0 16.7  33.3
    Mean    1.0 2.0 83.3 16.7 0.0  0.0 16.7  33.3
    S.D.    0.0 1.0 28.9 28.9 0.0  0.0 28.9  57.7
    Median  1.0 2.0 100.0 0.0 0.0  0.0  0.0   0.0
"""


def test_as_sclite_wrote_it() -> None:
    refs = {key: text for key, text in REFERENCES.items() if text}
    report = score(refs, {key: HYPOTHESES[key] for key in refs}, {key: key[0] for key in refs}, mode="sclite")
    assert [row[:9] for row in speakers.rows(report)] == [line.split() for line in BY_SCLITE.strip().splitlines()]
    assert [row[9] for row in speakers.rows(report)][:4] == ["33.3", "0.0", "0.0", "11.1"]  # characters: ours alone
    assert not speakers.starred(report)


def test_a_speaker_without_words_has_counts() -> None:
    hypotheses = HYPOTHESES | {"d-1": "oh oh"}
    report = score(REFERENCES, hypotheses, {key: key[0] for key in REFERENCES})
    rows = {row[0]: row[1:] for row in speakers.rows(report)}
    assert rows["d"] == ["1", "0", "0*", "0*", "0*", "2*", "2*", "100.0", "5*"]
    assert rows["Mean"][2:7] == ["83.3", "16.7", "0.0", "0.0", "16.7"]
    assert speakers.starred(report)


def test_one_speaker_deviates_from_nobody() -> None:
    rows = {row[0]: row[1:] for row in speakers.rows(score({"u": "a b"}, {"u": "a"}, {"u": "s"}))}
    assert rows["S.D."] == ["0.0"] * 9


@pytest.mark.parametrize(("value", "cell"), [(96.25, "96.3"), (1.25, "1.3"), (28.749999, "28.7"), (100.0, "100.0")])
def test_halves_are_rounded_up(value: float, cell: str) -> None:
    assert speakers.shown(value) == cell
