"""A small encoder learns the synthetic tones from gammatone features with FilterAugment, by dstoolkit's commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dstoolkit.testing import corpus

CONFIG = """
features: {name: gammatone, num_filters: 40}
augment: {frequency_masks: 0, vtlp: 0.05, plugins: [filter_augment]}
encoder: {name: deepspeech, kernels: 48, rnn: gru, size: 48, layers: 1, stride: 3, dropout: 0.0}
train: {epochs: 6, batch_seconds: 8, lr: 0.01, ema: 0.9}
"""


def dstoolkit(*words: object) -> None:
    done = subprocess.run([sys.executable, "-m", "dstoolkit", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_an_encoder_learns_from_both(tmp_path: Path) -> None:
    folders = corpus.write(tmp_path / "tones", {"train": 60, "dev": 12})
    settings = tmp_path / "gammatone.yaml"
    settings.write_text(CONFIG)
    dstoolkit("features", "extract", *folders.values(), "--config", settings)
    dstoolkit("tokenizer", "train", folders["train"] / "text", tmp_path / "tokenizer", "--config", settings)
    sources = ["--train", folders["train"], "--dev", folders["dev"], "--tokenizer", tmp_path / "tokenizer"]
    dstoolkit("train", tmp_path / "exp", "--config", settings, *sources)
    epochs = [json.loads(line) for line in (tmp_path / "exp" / "metrics.jsonl").read_text().splitlines()]
    assert "filter_augment" in (tmp_path / "exp" / "config.yaml").read_text()
    errors = [epoch["dev_cer"] for epoch in epochs]  # per cent
    assert errors[-1] < 3, errors
