"""``dstoolkit transcribe`` by a trained recurrent model: bundles, formats, long files, memory, ``decode``'s bits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
import torch

from dstoolkit.data import datadir
from dstoolkit.data.archive import Archive
from dstoolkit.pipeline.listening import Listener
from dstoolkit.pipeline.recognition import Frames, Recogniser
from dstoolkit.scoring import wer
from dstoolkit.testing import corpus
from tests.conftest import ROOT

RATE = corpus.RATE
PAUSE = 0.8  # seconds

PEAK = """
import sys
from dstoolkit.cli import main
try:
    main.main(["transcribe", *sys.argv[1:]])
finally:
    print([line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0])
"""


def recordings(tones: Path) -> list[Path]:
    return sorted((tones / "audio").glob("*-test*.wav"))


def samples_of(path: Path) -> Any:
    return soundfile.read(path, dtype="float32")[0]


def rows(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines()]


def test_packed_on_one_checkout_transcribes_on_another(tones: Path, tmp_path: Path, dstoolkit: Any) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    paths = [Path(shutil.copy(each, elsewhere)) for each in recordings(tones)[:4]]
    dstoolkit("model", "pack", tones / "exp", "--out", elsewhere / "tones.dstk", "--licence", "CC0-1.0")
    wanted = rows(dstoolkit("transcribe", tones / "exp", *paths, "--format", "json").stdout)
    assert rows(dstoolkit("transcribe", elsewhere / "tones.dstk", *paths, "--format", "json").stdout) == wanted
    away = tones.with_name("away")
    tones.rename(away)
    try:
        kept = {name: each for name, each in os.environ.items() if not name.startswith(("DSTOOLKIT", "PYTEST"))}
        bare = {**kept, "HOME": str(elsewhere), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "dstoolkit", "transcribe", "tones.dstk", *(each.name for each in paths)]
        done = subprocess.run([*command, "--format", "json"], cwd=elsewhere, env=bare, capture_output=True, text=True)
    finally:
        away.rename(tones)
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert [each.pop("file") for each in found] == [each.name for each in paths]
    assert found == [{name: value for name, value in each.items() if name != "file"} for each in wanted]
    assert all(each["segments"][0]["words"] for each in found)


def test_formats_rates_and_channels_change_no_word(tones: Path, tmp_path: Path, dstoolkit: Any) -> None:
    samples = np.concatenate([samples_of(each) for each in recordings(tones)[:3]])
    soundfile.write(tmp_path / "plain.wav", samples, RATE)
    wanted = dstoolkit("transcribe", tones / "exp", tmp_path / "plain.wav").stdout.strip()
    assert len(wanted.split()) > 5
    paths = []
    for ending, best in (("ogg", 0.0), ("mp3", 0.0), ("flac", None)):  # of lossy ones the least compression
        for rate in (8000, 44100, 48000):
            high = soxr.resample(samples, RATE, rate)
            paths.append(tmp_path / f"{ending}{rate}.{ending}")
            soundfile.write(paths[-1], np.stack([high, 0.8 * high], axis=1), rate, compression_level=best)
    found = dstoolkit("transcribe", tones / "exp", *paths).stdout.splitlines()
    assert found == [f"{each.stem} {wanted}" for each in paths]


@pytest.mark.parametrize("options", [[], ["--chunk", "7", "--overlap", "1.5"]], ids=["20 s", "7 s"])
def test_a_long_file_is_what_its_parts_are(tones: Path, tmp_path: Path, dstoolkit: Any, options: list[str]) -> None:
    paths = recordings(tones)
    parts, offsets, at = [], [], 0
    for each in paths * 2:
        offsets.append(at / RATE)
        parts += [samples_of(each), np.random.default_rng(at).normal(0, corpus.NOISE, round(PAUSE * RATE))]
        at += sum(map(len, parts[-2:]))
    soundfile.write(tmp_path / "long.wav", np.concatenate(parts), RATE)
    single = rows(dstoolkit("transcribe", tones / "exp", *paths, "--format", "json").stdout)
    (found,) = rows(dstoolkit("transcribe", tones / "exp", tmp_path / "long.wav", "--format", "json", *options).stdout)
    assert found["duration_s"] > 50
    assert found["text"] == " ".join(each["text"] for each in single * 2)
    truth = datadir.read_text(tones / "data" / "test" / "text")
    said = {str(at): truth[each.stem] for at, each in enumerate(paths)}
    assert wer.score(said, {str(at): each["text"] for at, each in enumerate(single)}).wer.rate < 0.25
    starts = [word["start"] for each in found["segments"] for word in each["words"]]
    wanted = [
        offset + word["start"]
        for offset, each in zip(offsets, single * 2, strict=True)
        for segment in each["segments"]
        for word in segment["words"]
    ]
    np.testing.assert_allclose(starts, wanted, rtol=0, atol=0.1)


def test_log_probs_of_one_window_are_decodes_to_the_bit(tones: Path) -> None:
    recogniser = Recogniser.load(tones / "exp")
    assert recogniser.cmvn.kind == "global"
    archive = Archive(tones / "data" / "test" / "features.h5")
    frames, listener = Frames(archive, recogniser.cmvn), Listener(recogniser)
    for at, name in enumerate(archive.utterance_ids[:5]):
        wanted, lengths = recogniser.log_probs([frames[at]])
        (heard,) = listener.listen(tones / "audio" / f"{name}.wav")
        assert lengths.tolist() == [len(heard.log_probs)]
        assert torch.equal(heard.log_probs, wanted[0])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tones: Path, tmp_path: Path) -> None:
    """Twenty minutes of stereo at 44.1 kHz are 400 MB as samples."""
    some = np.concatenate([samples_of(each) for each in recordings(tones)])
    high = soxr.resample(np.resize(some, 60 * RATE), RATE, 44100)
    peaks = []
    for minutes in (2, 20):
        with soundfile.SoundFile(tmp_path / f"{minutes}.flac", "w", 44100, 2) as file:
            for _ in range(minutes):
                file.write(np.stack([high, high], axis=1))
        command = [sys.executable, "-c", PEAK, tones / "exp", tmp_path / f"{minutes}.flac", "--out", tmp_path / "out"]
        done = subprocess.run(
            [*map(str, command)], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        assert f"{60 * minutes:.1f} s of audio" in done.stderr
        peaks.append(int(done.stdout) / 1024)  # MB
    assert peaks[1] - peaks[0] < 30
