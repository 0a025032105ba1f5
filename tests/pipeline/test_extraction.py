"""Extraction: what it writes, what it refuses, and that a killed one leaves nothing that counts."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import soundfile

from dstoolkit.config import Choice
from dstoolkit.data import datadir
from dstoolkit.data.archive import Archive, ArchiveWriter
from dstoolkit.errors import DataError, Faults, StampError
from dstoolkit.features.fbank import Fbank, FbankConfig
from dstoolkit.interfaces import Utterance
from dstoolkit.pipeline import extraction
from dstoolkit.pipeline.extraction import Options, extract

FBANK = Choice("fbank", {"num_mel_bins": 20})
RATE = 8000


def noise(seconds, seed=0, rate=RATE, channels=1):
    made = np.random.default_rng(seed).uniform(-0.5, 0.5, (round(seconds * rate), channels))
    return (np.round(made * 32768) / 32768).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    """Six recordings of a tenth of a second and more."""
    return data(tmp_path / "data", {f"u{at}": noise(0.1 * (at + 1), at) for at in range(6)})


def data(folder, recordings, rate=RATE):
    folder.mkdir()
    utterances = []
    for name, samples in recordings.items():
        soundfile.write(folder / f"{name}.wav", samples, rate, subtype="PCM_16")
        utterances.append(Utterance(name, str(folder / f"{name}.wav"), "s" + name[-1], f"text of {name}"))
    datadir.write(folder, utterances)
    return folder


def names(folder):
    """What extraction left, hidden files included."""
    return sorted(each.name for each in folder.iterdir() if "features" in each.name)


def test_frames_are_the_extractors(folder):
    done = extract(folder, FBANK)
    archive = Archive(folder / "features.h5")
    extractor = Fbank(FbankConfig(num_mel_bins=20), RATE)
    for at in range(6):
        assert np.array_equal(archive.frames(at), extractor.extract(noise(0.1 * (at + 1), at)[:, 0]))
    assert list(archive.utterance_ids) == [f"u{at}" for at in range(6)]
    assert list(archive.speakers) == [f"s{at}" for at in range(6)]
    np.testing.assert_allclose(archive.durations, [0.1 * (at + 1) for at in range(6)])
    assert (archive.extractor, archive.config["num_mel_bins"], archive.sample_rate) == ("fbank", 20, RATE)
    assert (done.utterances, done.dim, done.frames) == (6, 20, archive.lengths.sum())
    assert done.seconds == pytest.approx(2.1)


def test_segments(folder):
    wav = str(folder / "u5.wav")
    stretches = [("a", 0.0, 0.2), ("b", 0.25, 0.6), ("c", 0.5, None)]
    datadir.write(folder, [Utterance(name, wav, "s", None, start, end, "r") for name, start, end in stretches])
    (folder / "text").unlink()
    extract(folder, FBANK)
    archive, whole = Archive(folder / "features.h5"), noise(0.6, 5)[:, 0]
    extractor = Fbank(FbankConfig(num_mel_bins=20), RATE)
    for at, (first, last) in enumerate([(0, 1600), (2000, 4800), (4000, 4800)]):
        assert np.array_equal(archive.frames(at), extractor.extract(whole[first:last]))
    np.testing.assert_allclose(archive.durations, [0.2, 0.35, 0.1])


@pytest.mark.parametrize("shard_frames", [extraction.SHARD_FRAMES, 40])
def test_the_number_of_processes_changes_no_byte(folder, shard_frames):
    files = []
    for jobs in (1, 2):
        extract(folder, FBANK, Options(jobs=jobs, force=True, shard_frames=shard_frames))
        archive = Archive(folder / "features.h5")
        files.append([each.read_bytes() for each in [archive.path, *archive.shards]])
    assert files[0] == files[1]


def test_done_is_skipped_and_another_is_refused(folder):
    assert not extract(folder, FBANK).skipped
    before = (folder / "features.h5").stat().st_mtime_ns
    assert extract(folder, FBANK).skipped
    assert extract(folder, FBANK, Options(jobs=2)).skipped  # the number of processes changes nothing
    assert (folder / "features.h5").stat().st_mtime_ns == before
    with pytest.raises(StampError, match=r"features.num_mel_bins was 20, now 30.*--force"):
        extract(folder, Choice("fbank", {"num_mel_bins": 30}))
    with pytest.raises(StampError, match="dtype was 'float32', now 'float16'"):
        extract(folder, FBANK, Options(dtype="float16"))
    extract(folder, FBANK, Options(dtype="float16", force=True))
    assert Archive(folder / "features.h5").dtype == "float16"


def test_changed_inputs_are_refused_but_not_a_changed_text(folder):
    extract(folder, FBANK)
    (folder / "text").write_text("".join(f"u{at} other\n" for at in range(6)))
    assert extract(folder, FBANK).skipped
    (folder / "utt2spk").write_text("".join(f"u{at} s\n" for at in range(6)))
    with pytest.raises(StampError, match="input 'utt2spk' has changed"):
        extract(folder, FBANK)


def test_all_faults_of_the_headers_at_once(folder):
    (folder / "u0.wav").write_bytes(b"RIFF....WAVEjunk")
    (folder / "u1.wav").unlink()
    soundfile.write(folder / "u2.wav", noise(1, rate=16000), 16000)
    soundfile.write(folder / "u3.wav", noise(1, channels=2), RATE)
    (folder / "u4.wav").write_bytes(b"")
    with pytest.raises(Faults) as caught:
        extract(folder, FBANK)
    said = str(caught.value).splitlines()
    assert len(said) == 5
    for name, words in {
        "u1.wav": "no such file",
        "u2.wav": "16000 Hz; most of",
        "u3.wav": "2 channels; expected one; choose one with --channel",
        "u4.wav": "empty",
    }.items():
        assert any(name in line and words in line for line in said), (name, said)
    assert names(folder) == []


def test_all_faults_of_decoding_at_once(folder, monkeypatch):
    for name in "u1", "u4":
        soundfile.write(folder / f"{name}.flac", noise(1), RATE)
        whole = (folder / f"{name}.flac").read_bytes()
        (folder / f"{name}.wav").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Faults) as caught:
        extract(folder, FBANK)
    said = str(caught.value)
    assert "u1.wav" in said
    assert "u4.wav" in said
    assert names(folder) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_too_short_for_a_frame(folder, jobs):
    soundfile.write(folder / "u2.wav", noise(0.024), RATE)
    with pytest.raises(DataError, match=r"'u2': 192 samples \(0.024 s\); too short for one frame of 'fbank'"):
        extract(folder, FBANK, Options(jobs=jobs))
    assert names(folder) == []


def test_resampling_is_counted(folder):
    soundfile.write(folder / "u2.wav", noise(1, rate=16000), 16000)
    done = extract(folder, FBANK, Options(rate=RATE))
    assert (done.recordings, done.resampled) == (6, 1)
    archive = Archive(folder / "features.h5")
    assert archive.sample_rate == RATE
    assert archive.lengths[2] == Fbank(FbankConfig(), RATE).num_frames(RATE)


def test_channels(folder):
    stereo = noise(0.5, channels=2)
    soundfile.write(folder / "u3.wav", stereo, RATE, subtype="PCM_16")
    extractor = Fbank(FbankConfig(num_mel_bins=20), RATE)
    done = extract(folder, FBANK, Options(channel="mix"))
    assert done.several_channels == 1
    frames = Archive(folder / "features.h5").frames(3)
    np.testing.assert_allclose(frames, extractor.extract(stereo.mean(axis=1)), atol=1e-4)
    with pytest.raises(Faults, match="no channel 1"):  # the five others have but one
        extract(folder, FBANK, Options(channel=1, force=True))
    assert np.array_equal(Archive(folder / "features.h5").frames(3), frames)  # the former archive stays


def test_precomputed(tmp_path):
    folder, frames = tmp_path, np.random.default_rng(0).standard_normal((9, 13)).astype(np.float32)
    np.save(folder / "u1.npy", frames)
    np.save(folder / "u2.npy", frames[:4] * 2)
    utterances = [Utterance(name, str(folder / f"{name}.npy"), "s", "x") for name in ("u1", "u2")]
    datadir.write(folder, utterances, source="feats.scp")
    extract(folder, Choice("precomputed", {}))
    archive = Archive(folder / "features.h5")
    assert np.array_equal(archive.frames(0), frames)
    assert archive.sample_rate == 0
    np.testing.assert_allclose(archive.durations, [0.09, 0.04])
    with pytest.raises(DataError, match=r"holds 'feats.scp'; 'fbank' reads 'wav.scp'"):
        extract(folder, FBANK, Options(force=True))
    np.save(folder / "u2.npy", frames[:, :12])
    np.save(folder / "u1.npy", frames[:, :12])
    with pytest.raises(Faults, match=r"(?s)u1.npy.*u2.npy"):
        extract(folder, Choice("precomputed", {}), Options(force=True))


def test_a_missing_folder(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        extract(tmp_path / "none", FBANK)


def test_shards_of_a_former_archive_are_swept(folder):
    extract(folder, FBANK, Options(shard_frames=40))
    assert len(names(folder)) == 3  # index, stamp, shards
    (folder / "features.12345678.shards").mkdir()  # a killed run's
    extract(folder, FBANK, Options(shard_frames=60, force=True))
    assert len(names(folder)) == 3
    Archive(folder / "features.h5").verify()
    extract(folder, FBANK, Options(force=True))
    assert names(folder) == ["features.h5", "features.h5.stamp.json"]


KILLED = """
import os, signal, sys
from pathlib import Path
from dstoolkit.config import Choice
from dstoolkit.data.archive import ArchiveWriter
from dstoolkit.pipeline import extraction

method = sys.argv[2]
plain = getattr(ArchiveWriter, method)
calls = []
def killed(self, *rest):
    calls.append(1)
    if len(calls) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(self, *rest)
setattr(ArchiveWriter, method, killed)
options = extraction.Options(shard_frames=int(sys.argv[4]))
extraction.extract(Path(sys.argv[1]), Choice("fbank", {"num_mel_bins": 20}), options)
"""


@pytest.mark.parametrize(
    ("method", "call", "shard_frames"),
    [("add", 4, 1000), ("add", 5, 40), ("_finish", 1, 1000), ("_write_index", 1, 40)],
)
def test_the_same_command_finishes_what_was_killed(folder, method, call, shard_frames):
    command = [sys.executable, "-c", KILLED, str(folder), method, str(call), str(shard_frames)]
    assert subprocess.run(command, check=False).returncode == -9
    assert not (folder / "features.h5").exists()
    options = Options(shard_frames=shard_frames)
    assert not extract(folder, FBANK, options).skipped
    assert len(names(folder)) == 2 + (shard_frames == 40)
    Archive(folder / "features.h5").verify()


def test_an_interruption_leaves_nothing(folder, monkeypatch):
    def interrupted(self, *rest):
        raise KeyboardInterrupt

    monkeypatch.setattr(ArchiveWriter, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        extract(folder, FBANK)
    assert names(folder) == []
