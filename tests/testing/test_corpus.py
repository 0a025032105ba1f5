"""The synthetic corpus: reproducible, what it says it is, and learnable."""

from __future__ import annotations

import wave

import numpy as np
import pytest

from dstoolkit.data.datadir import DataDir, read_text
from dstoolkit.scoring import wer
from dstoolkit.testing import corpus


def pitches(samples: np.ndarray, rate: int) -> list[float]:
    """The loudest frequency in Hz of each stretch of sound, by a long Fourier transform."""
    size = round(0.01 * rate)
    loud = [np.abs(samples[at : at + size]).max() > 0.05 for at in range(0, len(samples) - size, size)]
    edges = np.flatnonzero(np.diff([0, *loud, 0]))
    found = []
    for start, end in zip(edges[::2] * size, edges[1::2] * size, strict=True):
        spectrum = np.abs(np.fft.rfft(samples[start:end], 8 * rate))
        found.append(spectrum.argmax() / 8)
    return found


@pytest.mark.parametrize("rate", [8000, 16000])
def test_letters_are_the_tones_that_are_promised(rate):
    """a is 500 Hz, each next letter 1.3 times the last, a speaker a few per cent off."""
    wanted = [500 * 1.3**step for step in range(7)]
    assert pitches(corpus.spell("abcdefg", "tenor", rate), rate) == pytest.approx(wanted, rel=0.01)
    assert pitches(corpus.spell("ga", "bass", rate), rate) == pytest.approx([0.96 * wanted[6], 480], rel=0.01)


def test_durations_are_those_stated():
    """Two ends of 100 ms, letters of 120, spaces of 120."""
    assert len(corpus.spell("a bad", rate=8000)) == 1600 + 5 * 960


def test_what_cannot_be_spelled_is_refused():
    with pytest.raises(ValueError, match=r"\['x'\]; expected the letters abcdefg and spaces"):
        corpus.spell("ax")


def test_directories_are_whole_and_splits_apart(tmp_path):
    folders = corpus.write(tmp_path, {"train": 9, "dev": 3})
    train, dev = (DataDir.read(folders[split]) for split in ("train", "dev"))
    assert (len(train.utterances), len(dev.utterances)) == (9, 3)
    assert set(train.speakers.values()) == {"alto", "bass", "tenor"}
    assert not set(train.texts.values()) & set(dev.texts.values())
    for each in train.utterances:
        with wave.open(each.path) as file:
            read = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            assert file.getnframes() == 1600 + 960 * len(each.text)
        assert read == (1, 2, 8000)


def test_the_same_arguments_write_the_same_bytes(tmp_path):
    def content(folder):
        files = [*folder.rglob("*.wav"), *folder.rglob("text")]
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        corpus.write(tmp_path / name, {"train": 6}, seed=seed)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert content(tmp_path / "one") != content(tmp_path / "three")


def test_texts_are_different_and_spelled_in_tones():
    texts = corpus.texts(500)
    assert len(set(texts)) == 500
    assert set("".join(texts)) == {*corpus.LETTERS, " "}


@pytest.mark.slow
def test_a_small_encoder_learns_it(tmp_path, dstoolkit):
    """From nothing to less than half the words wrong, on texts it has not seen."""
    folders = corpus.write(tmp_path / "tones")
    config = tmp_path / "train.yaml"
    config.write_text(
        "features: {name: fbank, num_mel_bins: 24}\n"
        "encoder: {name: deepspeech, kernels: 64, size: 48, layers: 1, dropout: 0}\n"
        "train: {epochs: 4, batch_seconds: 8, lr: 0.01, ema: 0.9}\n"
    )
    dstoolkit("features", "extract", folders["train"], folders["dev"], folders["test"], "--config", config)
    dstoolkit("tokenizer", "train", folders["train"] / "text", tmp_path / "tokenizer", "--config", config)
    sources = ["--train", folders["train"], "--dev", folders["dev"], "--tokenizer", tmp_path / "tokenizer"]
    dstoolkit("train", tmp_path / "exp", "--config", config, *sources)
    dstoolkit("decode", tmp_path / "exp", folders["test"], "--out", tmp_path / "decoded")
    report = wer.score(DataDir.read(folders["test"]).texts, read_text(tmp_path / "decoded" / "text"))
    assert report.wer.rate < 0.5
