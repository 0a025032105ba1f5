"""``dstoolkit transcribe``: what it writes and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from dstoolkit.data import datadir
from dstoolkit.data.archive import Archive
from dstoolkit.interfaces import Utterance
from dstoolkit.pipeline import checkpoint
from dstoolkit.pipeline.recognition import describe


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """Nine seconds of noise that comes and goes, 8000 Hz."""
    samples = np.random.default_rng(3).normal(0, 0.2, 72000) * (np.sin(np.arange(72000) / 900) > 0)
    soundfile.write(tmp_path / "noise.wav", samples, 8000)
    return tmp_path / "noise.wav"


def whole_description(exp: Path, folder: Path, features: Path) -> Path:
    """A copy of the toys' recogniser, which was told no more of its features than what differs from the defaults."""
    shutil.copytree(exp, folder)
    state = checkpoint.load(exp / "best.pt") | {"extractor": describe(Archive(features))}
    checkpoint.save(folder / "best.pt", {name: each for name, each in state.items() if name != "format"})
    return folder


def test_a_short_file_is_what_decode_gives(toys: Path, noise: Path, tmp_path: Path, dstoolkit: Any) -> None:
    (tmp_path / "data").mkdir()
    datadir.write(tmp_path / "data", [Utterance("noise", str(noise), "s")])
    dstoolkit("features", "extract", tmp_path / "data", "--set", "features=fbank", "--set", "features.num_mel_bins=12")
    exp = whole_description(toys / "exp", tmp_path / "exp", tmp_path / "data/features.h5")
    for options in ([], ["--lm", toys / "lm.arpa", "--beam", "12"]):
        dstoolkit("decode", exp, tmp_path / "data", "--out", tmp_path / "out", "--force", *options)
        dstoolkit("transcribe", exp, noise, "--format", "ctm", "--out", tmp_path / "noise.ctm", *options)
        ours, theirs = ((tmp_path / each).read_text().splitlines() for each in ("noise.ctm", "out/ctm"))
        assert [each.split()[:5] for each in ours] == [each.split()[:5] for each in theirs]
        confidences = [[float(each.split()[5]) for each in lines] for lines in (ours, theirs)]
        assert confidences[0] == pytest.approx(confidences[1], abs=1.1e-3)  # decode rounds twice
        text = datadir.read_text(tmp_path / "out/text")["noise"]
        assert dstoolkit("transcribe", exp, noise, *options).stdout == f"{text}\n"
        assert text


def test_forms_agree(toys: Path, noise: Path, tmp_path: Path, dstoolkit: Any) -> None:
    samples, rate = soundfile.read(noise)
    soundfile.write(tmp_path / "two.flac", np.stack([samples, samples], 1), rate)
    command = ["transcribe", toys / "exp", noise, tmp_path / "two.flac", "--chunk", "3", "--overlap", "0.5"]
    dstoolkit(*command, "--format", "srt", "--out", tmp_path / "subs")
    assert {each.name for each in (tmp_path / "subs").iterdir()} == {"noise.srt", "two.srt"}
    rows = [json.loads(line) for line in dstoolkit(*command, "--format", "json").stdout.splitlines()]
    assert [each["id"] for each in rows] == ["noise", "two"]
    assert rows[0]["segments"] == rows[1]["segments"]
    assert len(rows[0]["segments"]) > 1
    assert dstoolkit(*command).stdout == "".join(f"{each['id']} {each['text']}\n" for each in rows)
    for each in rows[0]["segments"]:
        assert " ".join(word["word"] for word in each["words"]) == each["text"]
        assert 0 <= each["start"] < each["end"] <= rows[0]["duration_s"] == 9
    assert len(dstoolkit(*command, "--segments").stdout.splitlines()) == sum(len(each["segments"]) for each in rows)


def test_a_faulty_file_among_others(toys: Path, noise: Path, tmp_path: Path, dstoolkit: Any) -> None:
    (tmp_path / "bad.wav").write_text("no audio at all\n" * 9)
    command = ["transcribe", toys / "exp", "--out", tmp_path / "out.txt"]
    said = dstoolkit(*command, tmp_path / "bad.wav", noise, tmp_path / "absent.wav", status=2).stderr
    assert "bad.wav: not readable as audio" in said
    assert "absent.wav: no such file" in said
    assert "1 file transcribed: 9.0 s of audio" in said
    assert (tmp_path / "out.txt").read_text().startswith("noise ")
    (tmp_path / "out.txt").unlink()
    dstoolkit(*command, tmp_path / "bad.wav", tmp_path / "absent.wav", status=2)
    assert not (tmp_path / "out.txt").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--overlap", "10"], "--overlap: 10 s; expected more than 0"),
        (["--segments", "--format", "srt"], "--segments: given with --format srt; it is for text"),
        (["--channel", "3"], "no channel 3; it has a single channel, 0"),
        (["--out", "NOISE"], "a transcript written into"),
        (["--lm", "absent.arpa"], "absent.arpa: no such file"),
        (["NOISE"], "named 2 times; expected once"),
    ],
)
def test_refusals(toys: Path, noise: Path, dstoolkit: Any, options: list[str], says: str) -> None:
    before = noise.read_bytes()
    given = [str(noise) if each == "NOISE" else each for each in options]
    assert says in dstoolkit("transcribe", toys / "exp", noise, *given, status=2).stderr
    assert noise.read_bytes() == before


def test_what_is_no_model(toys: Path, noise: Path, tmp_path: Path, dstoolkit: Any) -> None:
    assert "noise.wav: not a packed model; expected" in dstoolkit("transcribe", noise, noise, status=2).stderr
    assert "no such file or folder" in dstoolkit("transcribe", tmp_path / "no", noise, status=2).stderr
    assert "no 'best.pt'" in dstoolkit("transcribe", toys / "dev", noise, status=2).stderr


def test_standard_input(toys: Path, noise: Path, dstoolkit: Any) -> None:
    said = dstoolkit("transcribe", toys / "exp", "-", "--format", "json", stdin=noise.read_bytes()).stdout
    found, wanted = (
        json.loads(said),
        json.loads(dstoolkit("transcribe", toys / "exp", noise, "--format", "json").stdout),
    )
    assert (found.pop("id"), found.pop("file")) == ("stdin", "-")
    assert found == {name: each for name, each in wanted.items() if name not in ("id", "file")}
    for content, says in ((b"", "an empty file"), (b"words\n" * 99, "not readable as audio")):
        assert f"standard input: {says}" in dstoolkit("transcribe", toys / "exp", "-", status=2, stdin=content).stderr


def test_features_computed_elsewhere_are_refused(toys: Path, noise: Path, tmp_path: Path, dstoolkit: Any) -> None:
    shutil.copytree(toys / "exp", tmp_path / "exp")
    state = checkpoint.load(toys / "exp" / "best.pt")
    state["extractor"] |= {"extractor": "precomputed", "config": {}}
    checkpoint.save(tmp_path / "exp" / "best.pt", {name: each for name, each in state.items() if name != "format"})
    said = dstoolkit("transcribe", tmp_path / "exp", noise, status=2).stderr
    assert "'precomputed', which are computed elsewhere; expected features of audio; use 'dstoolkit decode'" in said


def test_audio_of_a_lower_rate_than_the_models(toys: Path, noise: Path, tmp_path: Path, dstoolkit: Any) -> None:
    samples, _ = soundfile.read(noise)
    soundfile.write(tmp_path / "low.wav", samples, 6000)
    said = dstoolkit("transcribe", toys / "exp", noise, tmp_path / "low.wav").stderr
    assert "warning" not in dstoolkit("transcribe", toys / "exp", noise).stderr
    assert f"warning: '{tmp_path / 'low.wav'}': recorded at 6000 Hz, and the model hears 8000 Hz" in said
    assert "nothing above 3000 Hz" in said
    assert said.count("warning") == 1
