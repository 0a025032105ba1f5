"""A toy corpus of features alone: each character is a fixed random vector held for a few frames, in a little noise."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from dstoolkit.config import Choice
from dstoolkit.data.archive_writer import ArchiveWriter
from dstoolkit.pipeline.vocabulary import Vocabulary
from dstoolkit.text.normalize import Normalization

DIM, SHIFT = 12, 0.01
WORDS = ["ken", "lo", "yes", "no", "one", "two"]
CONFIG = """
features: {name: fbank, num_mel_bins: 12}
encoder: {name: deepspeech, kernels: 24, kernel_size: 5, stride: 2, size: 16, layers: 1, dropout: 0}
augment: {frequency_masks: 0, time_masks_per_second: 0, stretch: 0}
train: {epochs: 3, batch_seconds: 4, lr: 0.01, show: 1, ema: 0.5}
"""


def frames_of(text: str, rng: np.random.Generator) -> np.ndarray:
    voices = np.random.default_rng(7).normal(size=(128, DIM))
    rows = [voices[ord(each)] for each in text for _ in range(int(rng.integers(4, 7)))]
    return (np.asarray(rows) + 0.1 * rng.normal(size=(len(rows), DIM))).astype(np.float32)


def write_split(folder: Path, count: int, seed: int) -> Path:
    """A data directory's ``features.h5``, ``text`` and ``utt2spk`` of ``count`` utterances by two speakers."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    texts = {f"u{at:03d}": " ".join(rng.choice(WORDS, size=rng.integers(1, 4))) for at in range(count)}
    described = {"num_mel_bins": DIM}
    with ArchiveWriter(
        folder / "features.h5", extractor="fbank", config=described, sample_rate=8000, frame_shift=SHIFT, dim=DIM
    ) as archive:
        for at, (utterance_id, text) in enumerate(texts.items()):
            frames = frames_of(text, rng)
            archive.add(utterance_id, frames, f"s{at % 2}", len(frames) * SHIFT)
    (folder / "text").write_text("".join(f"{each} {text}\n" for each, text in texts.items()))
    (folder / "utt2spk").write_text("".join(f"{each} s{at % 2}\n" for at, each in enumerate(texts)))
    return folder


def make(folder: Path, train: int = 24, dev: int = 6) -> Path:
    """``train``, ``dev``, ``tokenizer`` and ``train.yaml`` below ``folder``."""
    write_split(folder / "train", train, 1)
    write_split(folder / "dev", dev, 2)
    (folder / "tokenizer").mkdir()
    Vocabulary.train(Normalization(), Choice("characters"), []).save(folder / "tokenizer")
    (folder / "train.yaml").write_text(CONFIG)
    return folder


def another(exp: Path, folder: Path, factor: float = 1.01) -> Path:
    """A copy of a trained recogniser, whose weights are ``factor`` times as large."""
    from dstoolkit.pipeline import checkpoint

    shutil.copytree(exp, folder)
    state = checkpoint.load(exp / "best.pt")
    state["weights"] = {name: each * factor for name, each in state["weights"].items()}
    checkpoint.save(folder / "best.pt", {name: each for name, each in state.items() if name != "format"})
    return folder


def arguments(folder: Path, exp: Path, *more: object) -> list[object]:
    """The words of ``dstoolkit train`` on this corpus."""
    paths = ["--train", folder / "train", "--dev", folder / "dev", "--tokenizer", folder / "tokenizer"]
    return ["train", exp, "--config", folder / "train.yaml", *paths, "--device", "cpu", *more]
