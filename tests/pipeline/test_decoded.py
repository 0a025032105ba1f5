"""The files of a decoding: their order, whatever order utterances come in, and what they hold."""

from __future__ import annotations

import json
import random
from pathlib import Path

from dstoolkit.data.ctm import Place
from dstoolkit.interfaces import Hypothesis, Word
from dstoolkit.pipeline.decoded import Writer


def utterance(at: int) -> list[Hypothesis]:
    words = (Word(f"wört{at}", 0.1, 0.25, 0.87641234), Word("b", 0.5, 0.75, 1.0))
    best = Hypothesis(f"wört{at} b", -1.23456789, (3, 1), (2, 9), (0.5, 1 / 3), words, acoustic=-4.0, lm=-2.5)
    return [best, Hypothesis("b", -9.0, (1,))] if at else []


def write(folder: Path, seed: int) -> Path:
    folder.mkdir()
    order = list(range(40))
    random.Random(seed).shuffle(order)
    places = {f"u{at:02d}": Place("tape" if at % 2 else "reel", 100.0 - at) for at in order}
    with Writer(folder, places) as writer:
        for at in order:
            writer.add(f"u{at:02d}", utterance(at))
        writer.finish()
    return folder


def test_any_order_gives_the_same_files_and_no_other(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a", 1), write(tmp_path / "b", 2)
    assert sorted(each.name for each in one.iterdir()) == ["ctm", "nbest.jsonl", "text"]
    for each in one.iterdir():
        assert each.read_bytes() == (other / each.name).read_bytes()


def test_text_is_kaldis(tmp_path: Path) -> None:
    lines = (write(tmp_path / "a", 1) / "text").read_text(encoding="utf-8").splitlines()
    assert lines == ["u00", *(f"u{at:02d} wört{at} b" for at in range(1, 40))]


def test_every_hypothesis_is_a_record(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (write(tmp_path / "a", 1) / "nbest.jsonl").read_text("utf-8").splitlines()]
    assert [row["utterance"] for row in rows] == [f"u{at:02d}" for at in range(40)]
    assert rows[0]["hypotheses"] == []
    assert rows[7]["hypotheses"] == [
        {
            "text": "wört7 b",
            "score": -1.2346,
            "am": -4.0,
            "lm": -2.5,
            "words": [
                {"text": "wört7", "start": 0.1, "end": 0.25, "confidence": 0.8764},
                {"text": "b", "start": 0.5, "end": 0.75, "confidence": 1.0},
            ],
            "tokens": [3, 1],
            "frames": [2, 9],
            "confidences": [0.5, 0.3333],
        },
        # without an acoustic score of its own, its score is that
        {
            "text": "b",
            "score": -9.0,
            "am": -9.0,
            "lm": 0.0,
            "words": [],
            "tokens": [1],
            "frames": [],
            "confidences": [],
        },
    ]


def test_ctm_is_by_recording_and_time(tmp_path: Path) -> None:
    rows = [line.split() for line in (write(tmp_path / "a", 1) / "ctm").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 2 * 39
    keys = [(row[0], float(row[2])) for row in rows]
    assert keys == sorted(keys)
    assert rows[0] == ["reel", "1", "62.100", "0.150", "wört38", "0.876"]
