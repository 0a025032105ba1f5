"""Real speech stored at a rate above its own is found, speech at its own rate is not; so are lost characters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from dstoolkit import plugins
from dstoolkit.config import Choice, plain
from dstoolkit.data.archive import Archive, ArchiveWriter
from dstoolkit.pipeline.vocabulary import Vocabulary
from dstoolkit.text.normalize import Normalization
from dstoolkit.training.inspection import constant, empty_above, inspect, is_spoken, lost

RATE = 16000
FEATURES = [
    Choice("fbank"),
    Choice("fbank", {"num_mel_bins": 23, "use_energy": True}),
    Choice("spectrogram"),
    Choice("mfcc"),
    Choice("mfcc", {"num_mel_bins": 40, "num_ceps": 40, "deltas": 1}),
]
NAMES = ["fbank", "fbank-energy", "spectrogram", "mfcc", "mfcc-deltas"]


def archive(folder: Path, choice: Choice, recordings, rate: int = RATE) -> Archive:
    """The features of some samples, each in [-1, 1]."""
    cls, options = plugins.choose("features", choice)
    features = cls(options, rate)
    described = {"extractor": features.name, "config": plain(options), "sample_rate": rate, "dim": features.dim}
    folder.mkdir(parents=True, exist_ok=True)
    with ArchiveWriter(folder / "features.h5", frame_shift=features.frame_shift, **described) as writer:
        for at, samples in enumerate(recordings):
            writer.add(f"u{at}", features.extract(samples), "s", len(samples) / rate)
    return Archive(folder / "features.h5")


def stored(samples, old: int, new: int = RATE):
    """Resampled, and rounded to 16 bits as in a file."""
    return np.round(soxr.resample(samples, old, new) * 32767).clip(-32768, 32767).astype(np.float32) / 32768


@pytest.fixture(scope="module")
def telephone(corpora):
    paths = sorted((corpora / "yesno" / "waves_yesno").glob("*.wav"))[:6]
    return [soundfile.read(path, dtype="float32")[0] for path in paths]


@pytest.fixture(scope="module")
def wideband(corpora):
    folder = corpora / "speechocean"
    lines = (folder / "wav.scp").read_text().splitlines()[::32]
    return [soundfile.read(folder / line.split()[1], dtype="float32")[0] for line in lines]


@pytest.mark.parametrize("choice", FEATURES, ids=NAMES)
def test_8_khz_speech_stored_at_16_is_found_and_16_khz_speech_is_not(tmp_path, choice, telephone, wideband):
    upsampled = archive(tmp_path / "a", choice, [stored(each, 8000) for each in telephone])
    said = empty_above(upsampled)
    assert said.startswith("hardly any energy above 4000 Hz, so it seems recorded at about 8000 Hz and stored at 16000")
    assert said.endswith("'features extract --rate 8000'")
    assert empty_above(archive(tmp_path / "b", choice, wideband)) == ""
    assert empty_above(archive(tmp_path / "c", choice, telephone, 8000)) == ""


@pytest.mark.parametrize("choice", [FEATURES[0], FEATURES[2]], ids=["fbank", "spectrogram"])
def test_other_rates_and_quiet_speech(tmp_path, choice, telephone, wideband):
    lower = [stored(soxr.resample(each, RATE, 11025), 11025) for each in wideband]
    assert "at about 11025 Hz" in empty_above(archive(tmp_path / "a", choice, lower))
    floats = [soxr.resample(each, 8000, RATE) for each in telephone]
    assert "at about 8000 Hz" in empty_above(archive(tmp_path / "b", choice, floats))
    quiet = [stored(soxr.resample(each / 30, RATE, 8000), 8000) for each in wideband]
    assert "at about 8000 Hz" in empty_above(archive(tmp_path / "c", choice, quiet))
    assert empty_above(archive(tmp_path / "d", choice, [stored(each / 30, RATE) for each in wideband])) == ""


def test_16_khz_speech_stored_at_44_is_found(tmp_path, wideband):
    higher = [stored(each, RATE, 44100) for each in wideband]
    assert "at about 16000 Hz and stored at 44100" in empty_above(archive(tmp_path, FEATURES[0], higher, 44100))


def unheard(folder: Path, name: str, frames) -> Archive:
    described = {"extractor": name, "config": {}, "sample_rate": RATE, "frame_shift": 0.01, "dim": frames.shape[1]}
    with ArchiveWriter(folder / "features.h5", **described) as writer:
        writer.add("u", frames, "s", 1.0)
    return Archive(folder / "features.h5")


@pytest.mark.parametrize("name", ["precomputed", "no-such-plugin"])
def test_features_of_unknown_making_are_asked_for_constants_only(tmp_path, name, capsys):
    frames = np.random.default_rng(0).normal(size=(50, 13)).astype(np.float32)
    frames[:, [3, 12]] = 1.5
    found = unheard(tmp_path, name, frames)
    vocabulary = Vocabulary.train(Normalization(), Choice("characters"), [])
    inspect(found, vocabulary, {"u": "a b"})
    said = "2 of 13 dimensions never vary ('3', '12')"
    assert capsys.readouterr().err.startswith(f"warning: {tmp_path / 'features.h5'}: {said}")
    assert empty_above(found) == ""


def test_dimensions_that_vary_are_not_named(tmp_path):
    assert constant(unheard(tmp_path, "precomputed", np.random.default_rng(0).normal(size=(50, 3)))) == ""


def test_dropped_letters_and_digits_are_counted_and_punctuation_is_not():
    texts = {"a": "Größe 12 – so!", "b": "grösse 2, 5 $"}
    dropping = Vocabulary.train(Normalization(unknown="drop"), Choice("characters"), [])
    said = lost(dropping, texts)
    counts = "'2' (2), 'ö' (2), '$' (1), '1' (1), '5' (1), 'ß' (1)"
    assert said.startswith(f"8 characters of the texts are dropped, for want of a token: {counts}; ")
    kept = Vocabulary.train(Normalization(unknown="drop", punctuation="keep"), Choice("characters"), [])
    assert lost(kept, {"a": "so - well; yes!"}) == ""
    assert lost(Vocabulary.train(Normalization(), Choice("characters"), []), texts) == ""  # refused elsewhere


@pytest.mark.parametrize(("character", "spoken"), [("é", True), ("7", True), ("%", True), ("€", True), ("!", False)])
def test_what_is_spoken(character, spoken):
    assert is_spoken(character) == spoken
