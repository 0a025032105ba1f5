"""``dstoolkit features`` as a user meets it."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import soundfile

from dstoolkit.data import datadir
from dstoolkit.data.archive import Archive, ArchiveWriter
from dstoolkit.interfaces import Utterance


@pytest.fixture
def folder(tmp_path):
    """Three utterances by two speakers, one second each."""
    utterances = []
    for at in range(3):
        path = tmp_path / f"u{at}.wav"
        soundfile.write(path, np.random.default_rng(at).uniform(-0.5, 0.5, 8000), 8000)
        utterances.append(Utterance(f"u{at}", str(path), f"s{at % 2}", "a $cost$ of_5"))
    datadir.write(tmp_path, utterances)
    return tmp_path


def test_extract_by_default_then_again(dstoolkit, folder):
    first = dstoolkit("features", "extract", folder)
    assert f"{folder}/features.h5: 3 utterances, 3.0 s, 297 frames of 81\n" == first.stdout
    assert "done already, 3 utterances" in dstoolkit("features", "extract", folder).stdout
    assert Archive(folder / "features.h5").extractor == "spectrogram"


def test_extract_with_a_configuration(dstoolkit, folder):
    conf = folder / "train.yaml"
    conf.write_text("seed: 3\nfeatures: {name: fbank, num_mel_bins: 40}\n")
    dstoolkit("features", "extract", folder, "--config", conf, "--set", "features.num_mel_bins=23")
    assert Archive(folder / "features.h5").dim == 23
    refused = dstoolkit("features", "extract", folder, "--config", conf, status=2)
    assert "features.num_mel_bins was 23, now 40" in refused.output
    dstoolkit("features", "extract", folder, "--config", conf, "--force", "--dtype", "float16", "--nj", 2)
    assert (Archive(folder / "features.h5").dim, Archive(folder / "features.h5").dtype) == (40, "float16")


@pytest.mark.parametrize(
    ("conf", "says"),
    [
        ("features: {name: fbank, num_mel_bin: 40}", "features.num_mel_bin: no such option; did you mean"),
        ("features: {name: fbank, num_mel_bins: many}", "features.num_mel_bins: 'many'; expected a whole number"),
        ("features: {name: fbank, num_mel_bins: 1}", "num_mel_bins is 1; expected 3 or more"),
        ("features: fbnk", "no features 'fbnk' (have: fbank, mfcc, precomputed, spectrogram)"),
        ("feature: fbank", "feature: no such option; did you mean 'features'?"),
        ("features: {name: fbank, num_mel_bins: 300}", "300 mel bins are too narrow"),
    ],
)
def test_a_faulty_configuration(dstoolkit, folder, conf, says):
    (folder / "train.yaml").write_text(conf)
    assert says in dstoolkit("features", "extract", folder, "--config", folder / "train.yaml", status=2).output
    assert not (folder / "features.h5").exists()


def test_what_is_done_to_the_audio_is_said(dstoolkit, folder):
    soundfile.write(folder / "u1.wav", np.zeros((16000, 2)), 16000)
    said = dstoolkit("features", "extract", folder, status=2).output
    assert "16000 Hz; most of" in said
    assert "2 channels" in said
    said = dstoolkit("features", "extract", folder, "--rate", 8000, "--channel", 0).output
    assert "resampled 1 of 3 recordings to 8000 Hz" in said
    assert "took channel 0 of 1 of 3 recordings" in said


@pytest.mark.parametrize("arguments", [["--channel", "left"], ["--nj", 0], ["--rate", "0"], ["--dtype", "float64"], []])
def test_faulty_arguments(dstoolkit, folder, arguments):
    dstoolkit("features", "extract", *([folder, *arguments] if arguments else []), status=2)
    assert not (folder / "features.h5").exists()


def test_an_interruption(dstoolkit, folder, monkeypatch):
    def interrupted(self, *rest):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ArchiveWriter, "add", interrupted)
        dstoolkit("features", "extract", folder, status=130)
    assert not [each for each in folder.iterdir() if "features" in each.name]
    dstoolkit("features", "extract", folder)


def test_stats(dstoolkit, folder):
    dstoolkit("features", "extract", folder)
    said = dstoolkit("features", "stats", folder, folder / "features.h5").stdout
    assert said.count("3 utterances of 2 speakers") == 2
    assert "every digest agrees" in said
    found = json.loads(dstoolkit("features", "stats", folder, "--json").stdout)
    archive = Archive(folder / "features.h5")
    whole = archive.read(0, 3)
    assert (found["utterances"], found["speakers"], found["frames"], found["dim"]) == (3, 2, len(whole), 81)
    assert (found["seconds"], found["extractor"], found["sample_rate"]) == (3.0, "spectrogram", 8000)
    np.testing.assert_allclose(found["mean"], whole.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(found["variance"], whole.var(axis=0), rtol=1e-3)


def test_stats_refuses_an_altered_archive(dstoolkit, folder):
    assert "no such file" in dstoolkit("features", "stats", folder, status=2).output
    dstoolkit("features", "extract", folder)
    with h5py.File(folder / "features.h5", "r+") as file:
        file["frames"][0, 0] += 1
    assert "utterance 'u0' altered" in dstoolkit("features", "stats", folder, status=2).output


def test_show(dstoolkit, folder, tmp_path):
    import matplotlib.image

    dstoolkit("features", "extract", folder)
    out = tmp_path / "out.png"
    assert dstoolkit("features", "show", folder, "--out", out).stdout == f"{out}: u0\n"
    first = matplotlib.image.imread(out)
    assert first.shape[:2] == (400, 1000)
    assert "u2" in dstoolkit("features", "show", folder / "features.h5", "u2", "--out", out).stdout
    assert not np.array_equal(matplotlib.image.imread(out), first)
    (folder / "text").unlink()
    dstoolkit("features", "show", folder, "u2", "--out", out)
    assert "no utterance 'u9'" in dstoolkit("features", "show", folder, "u9", "--out", out, status=2).output
    assert "no such file" in dstoolkit("features", "show", folder, "--out", tmp_path / "no" / "x.png", status=2).output


def test_help_teaches(dstoolkit):
    for command in "extract", "stats", "show":
        said = dstoolkit("features", command, "--help").stdout
        assert f"dstoolkit features {command} data/train" in said
