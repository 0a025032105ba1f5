"""``dstoolkit score``: the page among the reports, and the options about its sound."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from dstoolkit.data import datadir
from dstoolkit.interfaces import Utterance


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two utterances with texts and sound."""
    samples = np.random.default_rng(0).uniform(-0.1, 0.1, 8000)
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", samples, 8000)
    data = tmp_path / "data"
    data.mkdir()
    datadir.write(data, [Utterance(name, str(tmp_path / f"{name}.wav"), "s", "the cat") for name in ("a", "b")])
    decoded = tmp_path / "exp" / "decode_test"
    decoded.mkdir(parents=True)
    (decoded / "text").write_text("a the hat\nb the cat\n")
    return tmp_path


def arguments(folder: Path, *more: object) -> list[object]:
    hyp = folder / "exp" / "decode_test" / "text"
    return ["score", "--ref", folder / "data" / "text", "--hyp", hyp, "--out", folder / "out", *more]


def page(folder: Path) -> str:
    return (folder / "out" / "report.html").read_text()


def data(folder: Path) -> dict[str, Any]:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page(folder), re.DOTALL)
    return json.loads(found)


def nbest(folder: Path, start: float) -> None:
    words = [{"text": each, "start": start, "end": 0.5, "confidence": 1} for each in ("the", "hat")]
    row = {"utterance": "a", "hypotheses": [{"text": "the hat", "words": words}]}
    (folder / "exp" / "decode_test" / "nbest.jsonl").write_text(json.dumps(row) + "\n")


def test_the_page_without_sound(dstoolkit: Any, folder: Path) -> None:
    dstoolkit(*arguments(folder, "--case", "upper"))
    assert data(folder)["clips"] == {}
    assert data(folder)["references"] == ["THE CAT", "THE CAT"]
    assert "<h1>exp/decode_test</h1>" in page(folder)
    assert f"<dd>{folder}/data/text</dd>" in page(folder)
    assert "case upper" in page(folder)
    (folder / "out" / "report.html").unlink()
    assert "scored" in dstoolkit(*arguments(folder, "--case", "upper")).stdout
    assert data(folder)["clips"] == {}


def test_sound_and_the_times_beside_the_hypotheses(dstoolkit: Any, folder: Path) -> None:
    nbest(folder, 0.25)
    dstoolkit(*arguments(folder, "--audio", folder / "data"))
    clips = data(folder)["clips"]
    assert sorted(clips) == ["0", "1"]
    assert [word[:2] for word in clips["0"]["words"]] == [["the", 0.25], ["hat", 0.25]]
    assert "Audio of all utterances." in page(folder)
    assert "done already" in dstoolkit(*arguments(folder, "--audio", folder / "data")).stdout
    nbest(folder, 0.125)
    stderr = dstoolkit(*arguments(folder, "--audio", folder / "data"), status=2).stderr
    assert "input 'word times' has changed" in stderr


def test_times_of_a_ctm_go_before(dstoolkit: Any, folder: Path) -> None:
    nbest(folder, 0.25)
    (folder / "ctm").write_text("a 1 0.125 0.25 the 1\na 1 0.375 0.25 hat 1\n")
    more = ["--audio", folder / "data", "--ctm", folder / "ctm", "--audio-utterances", 1]
    dstoolkit(*arguments(folder, *more))
    ((at, clip),) = data(folder)["clips"].items()
    assert at == "0"  # the one with an error
    assert [word[1] for word in clip["words"]] == [0.125, 0.375]
    assert "Audio of 1 of 2 utterances, those with the most errors." in page(folder)
    stderr = dstoolkit(*arguments(folder, *more[:-1], 2), status=2).stderr
    assert "--audio-utterances was 1, now 2" in stderr


def test_options_without_sound(dstoolkit: Any, folder: Path) -> None:
    (folder / "ctm").write_text("")
    stderr = dstoolkit(*arguments(folder, "--ctm", folder / "ctm", "--audio-utterances", 3), status=2).stderr
    assert stderr.splitlines() == [
        "dstoolkit: --ctm: no sound to use it with; give --audio too",
        "dstoolkit: --audio-utterances: no sound to use it with; give --audio too",
    ]


def test_sound_that_cannot_be_read_leaves_no_report(dstoolkit: Any, folder: Path) -> None:
    (folder / "a.wav").write_bytes(b"no sound")
    stderr = dstoolkit(*arguments(folder, "--audio", folder / "data"), status=2).stderr
    assert f"{folder}/a.wav" in stderr
    assert not (folder / "out").exists()
