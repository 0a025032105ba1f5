"""From an audio file to a network's outputs, window by window: memory does not grow with the file.

What comes out are the log-probabilities of the whole file's output frames, in pieces to be laid end to end. A file that
fits into one window gives what ``dstoolkit features extract`` and the network give, to the bit.

Normalisation ``global`` and ``none`` need nothing of the file. ``utterance`` takes the file for the utterance, and so
does ``speaker``, for nobody says who speaks: a file is then read twice, first to gather mean and variance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from dstoolkit import plugins
from dstoolkit.config import Choice
from dstoolkit.data import audio
from dstoolkit.data.archive_writer import Moments
from dstoolkit.errors import ConfigError, DataError
from dstoolkit.pipeline import windows
from dstoolkit.pipeline.recognition import BATCH_FRAMES, Recogniser, subsampling
from dstoolkit.pipeline.windows import Window

if TYPE_CHECKING:
    from dstoolkit.interfaces import Features, FloatArray

Statistics = tuple[Any, Any]  # mean and variance, each (dim,)
PROBE = 100  # output frames by which an even subsampling shows


class Heard(NamedTuple):
    """The next ``log_probs`` ``(frames, vocab)`` of a file, and how many ``seconds`` of it have been read by then."""

    log_probs: Tensor
    seconds: float


def features_of(recogniser: Recogniser) -> Features:
    """The features that the model was trained on. Raises PluginError, or ConfigError where they are not of audio."""
    name = recogniser.extractor["extractor"]
    made, options = plugins.choose("features", Choice(name, recogniser.extractor["config"], "the model's features"))
    if made.source != "wav.scp":
        found = f"{name!r}, which are computed elsewhere"
        raise ConfigError("the model's features", found, "expected features of audio", "use 'dstoolkit decode'")
    features: Features = made(options, recogniser.extractor["sample_rate"])
    return features


class Listener:
    """A recogniser and how it hears audio files. Raises ConfigError where it cannot hear them in such windows."""

    def __init__(
        self,
        recogniser: Recogniser,
        chunk: float = windows.CHUNK,
        overlap: float = windows.OVERLAP,
        channel: audio.Channel = "mix",
    ) -> None:
        self.recogniser, self.channel = recogniser, channel
        self.features = features_of(recogniser)
        self.rate: int = recogniser.extractor["sample_rate"]
        stride = subsampling(recogniser.model)
        self.layout = windows.lay_out(self.rate, self.features.frame_shift, stride, chunk, overlap)
        self._check_outputs()

    def _check_outputs(self) -> None:
        """Stitching wants a fixed number of feature frames per output frame, and outputs up to the overlap's middle."""
        layout = self.layout
        full = self.features.num_frames(int(layout.size * layout.hop))
        lengths = torch.tensor([full, full + PROBE * layout.stride])
        short, long = self.recogniser.model.encoder.output_lengths(lengths).tolist()  # type: ignore[operator]
        if long - short != PROBE:
            found = f"{long - short} output frames for {PROBE * layout.stride} frames"
            raise ConfigError(f"encoder {self.recogniser.experiment.encoder.name!r}", found, f"expected {PROBE}")
        missing = (layout.size - layout.overlap) // layout.stride - short
        if missing > 0:
            least = float((layout.overlap + missing * layout.stride) * layout.hop / self.rate)
            raise ConfigError("--overlap", "too short for the model's border", f"expected {least:g} s or more")

    def listen(self, path: Path | str) -> Iterator[Heard]:
        """Raises DataError where the file cannot be read, is too short for one frame, or confuses the network."""
        statistics = self._statistics(path)
        samples = 0
        for group in _groups(self._windows(path), max(1, BATCH_FRAMES // self.layout.size)):
            samples += sum(len(each.samples) - self._shared(each) for each in group)
            yield Heard(self._outputs(path, group, statistics), samples / self.rate)

    def _shared(self, window: Window) -> int:
        """How many of a window's samples were the former one's too."""
        return 0 if window.first else int(2 * self.layout.overlap * self.layout.hop)

    def _windows(self, path: Path | str) -> Iterator[Window]:
        for window in self.layout.windows(audio.blocks(path, channel=self.channel, rate=self.rate)):
            if window.first and self.features.num_frames(len(window.samples)) == 0:
                found = f"{len(window.samples) / self.rate:.3f} s"
                raise DataError(path, found, f"too short for one frame of {self.features.name!r}", "leave it out")
            yield window

    def _statistics(self, path: Path | str) -> Statistics | None:
        """Those of the file, of the frames that windows keep; None where normalisation finds its own."""
        if self.recogniser.cmvn.kind in ("global", "none"):
            return None
        moments = Moments(self.features.dim)
        alone = True
        for window in self._windows(path):
            alone = window.first and window.last
            frames = self.features.extract(window.samples)
            frames = frames[self.layout.kept(window, len(frames))].astype("float64")
            if len(frames):
                moments.add(len(frames), frames.mean(axis=0), frames.var(axis=0))
        if alone and self.recogniser.cmvn.kind == "utterance":
            return None
        return moments.mean.astype("float32"), moments.variance.astype("float32")

    def _outputs(self, path: Path | str, group: list[Window], statistics: Statistics | None) -> Tensor:
        """What the windows of a group keep of their outputs, end to end."""
        rows = [self._normalised(self.features.extract(each.samples), statistics) for each in group]
        log_probs, lengths = self.recogniser.log_probs(rows)
        own = [self.layout.kept(*each, self.layout.stride) for each in zip(group, lengths.tolist(), strict=True)]
        found = torch.cat([row[each] for row, each in zip(log_probs, own, strict=True)])
        if found.isnan().any():
            raise DataError(path, "the network's outputs are no numbers", "", "train again, with a lower train.lr")
        return found

    def _normalised(self, frames: FloatArray, statistics: Statistics | None) -> FloatArray:
        cmvn = self.recogniser.cmvn
        return cmvn.apply(frames) if statistics is None else replace(cmvn, kind="speaker").apply(frames, statistics)


def _groups(items: Iterable[Window], size: int) -> Iterator[list[Window]]:
    """So many at a time."""
    source = iter(items)
    while group := list(islice(source, size)):
        yield group
