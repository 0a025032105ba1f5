"""One small sound plugin of each kind that has no built-in small enough: what the mutants of the kit's tests break."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from dstoolkit.errors import DataError
from dstoolkit.interfaces import Corpus, Encoder, Features, Preparation, Utterance
from dstoolkit.models.masking import MaskedBatchNorm, zero_padding


@dataclass(frozen=True)
class Config:
    """``size``: units."""

    size: int = 6


class Convolution(Encoder, nn.Module):
    """A convolution of stride 2, masked batch norm, dropout."""

    name = "convolution"
    Config = Config

    def __init__(self, config, input_dim):
        nn.Module.__init__(self)
        self.output_dim = config.size
        self.layer = nn.Conv1d(input_dim, config.size, 5, 2, 2)
        self.norm = MaskedBatchNorm(config.size)
        self.dropout = nn.Dropout(0.2)

    def forward(self, frames, lengths):
        hidden = self.layer(zero_padding(frames, lengths).transpose(1, 2)).transpose(1, 2)
        lengths = self.output_lengths(lengths)
        return self.dropout(self.norm(hidden, lengths)), lengths

    def output_lengths(self, lengths):
        return (lengths + 1) // 2


class Energy(Features):
    """The log energy and the mean of windows of 20 ms each 10 ms."""

    name = "energy"
    Config = Config
    dim = 2
    frame_shift = 0.01

    def __init__(self, config, sample_rate):
        self.shift = sample_rate // 100

    def num_frames(self, num_samples):
        return max(0, num_samples // self.shift - 1)

    def extract(self, samples):
        count = self.num_frames(len(samples))
        windows = [samples[at * self.shift : (at + 2) * self.shift] for at in range(count)]
        rows = [(np.log(np.square(each).mean() + 1e-9), each.mean()) for each in windows]
        return np.array(rows, np.float32).reshape(count, 2)


class Folder(Corpus):
    """A folder of wav files, the text in the name, the first of them for testing."""

    name = "folder"
    Config = Config
    licence = "none"
    source = "the tests"
    disjoint_texts = True

    def __init__(self, config):
        pass

    def fetch(self, cache):
        return cache

    def prepare(self, folder):
        paths = sorted(Path(folder).glob("*.wav"))
        if not paths:
            raise DataError(folder, "no wav files", "expected some")
        made = [Utterance(path.stem, str(path), "s", path.stem) for path in paths]
        return Preparation({"test": made[:1], "train": made[1:]})
