"""Cepstral mean and variance normalisation: ``(frames - mean) / deviation`` for each dimension.

``global`` takes mean and variance of the training archive, kept with the model; ``speaker`` those of all the speaker's
utterances in the archive at hand; ``utterance`` those of the utterance itself; ``none`` changes nothing. Variances are
of the population (divided by n) and floored, so that a dimension that never varies becomes 0. ``whiten`` takes away
the correlations between dimensions too (``whitening.py``), by statistics of the training archive or of a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np

from dstoolkit.errors import ConfigError, DataError
from dstoolkit.features.whitening import Spread, Whitening

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray

Kind = Literal["global", "speaker", "utterance", "none", "whiten"]
VARIANCE_FLOOR = 1e-8  # in squared units of the features


class Moments(Protocol):
    """What ``speaker_statistics`` needs of an archive."""

    @property
    def speakers(self) -> Sequence[str]: ...

    def moments(self, indices: Sequence[int]) -> tuple[FloatArray, FloatArray]:
        """Mean and variance per dimension, each ``(dim,)``, over all frames of these utterances."""


class Training(Protocol):
    """What ``fitted`` needs of the training archive."""

    path: Path

    @property
    def dim(self) -> int: ...
    @property
    def mean(self) -> FloatArray: ...
    @property
    def variance(self) -> FloatArray: ...
    def __len__(self) -> int: ...
    def frames(self, index: int) -> FloatArray: ...


@dataclass(frozen=True, eq=False)
class Cmvn:
    """Which normalisation, and its ``(dim,)`` mean and variance for ``global``, mean and ``(dim, dim)`` matrix for
    ``whiten``, after which ``offset`` ``(dim,)`` is added. Raises ConfigError where they lack."""

    kind: Kind = "global"
    mean: Any = None
    variance: Any = None
    matrix: Any = None
    offset: Any = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ConfigError("cmvn", f"{self.kind!r}", f"expected one of {', '.join(get_args(Kind))}")
        if self.kind == "global" and (self.mean is None or self.variance is None):
            raise ConfigError("cmvn", "'global' without statistics", "expected the training archive's")

        if self.kind == "whiten" and (self.mean is None or self.matrix is None):
            raise ConfigError("cmvn", "'whiten' without statistics", "expected the training archive's")

    @classmethod
    def whiten(cls, spread: Spread, choice: Whitening) -> Cmvn:
        """By these statistics; kept in float64, for the product to be the same in any number of threads."""
        offset = np.zeros(spread.dim) if choice.center else spread.mean
        return cls("whiten", spread.mean, None, spread.matrix(choice), offset)

    @classmethod
    def global_(cls, mean: FloatArray, variance: FloatArray) -> Cmvn:
        return cls("global", np.asarray(mean, np.float32), np.asarray(variance, np.float32))

    def apply(self, frames: FloatArray, speaker: tuple[FloatArray, FloatArray] | None = None) -> FloatArray:
        """``(frames, dim)`` -> the same normalised, a new array unless ``none``.

        ``speaker`` is the speaker's mean and variance, from ``speaker_statistics``; only ``speaker`` needs it, and
        raises ValueError without.
        """
        if self.kind == "none" or len(frames) == 0:
            return frames
        if self.kind == "whiten":
            whitened: FloatArray = ((frames - self.mean) @ self.matrix.T + self.offset).astype(np.float32)
            return whitened
        mean, variance = self._statistics(frames, speaker)
        scale = 1 / np.sqrt(np.maximum(variance, VARIANCE_FLOOR))
        normalised: FloatArray = ((frames - mean) * scale).astype(np.float32, copy=False)
        return normalised

    def _statistics(self, frames: FloatArray, speaker: tuple[FloatArray, FloatArray] | None) -> Any:
        if self.kind == "global":
            return self.mean, self.variance
        if self.kind == "utterance":
            return frames.mean(axis=0), frames.var(axis=0)
        if speaker is None:
            raise ValueError("cmvn 'speaker' needs the speaker's statistics")
        return speaker

    def to_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: plain lists, strings and numbers."""
        if self.kind == "whiten":
            arrays = {"mean": self.mean, "matrix": self.matrix, "offset": self.offset}
            return {"kind": self.kind, **{name: np.asarray(each).tolist() for name, each in arrays.items()}}
        kept = self.kind == "global"
        return {
            "kind": self.kind,
            "mean": np.asarray(self.mean).tolist() if kept else None,
            "variance": np.asarray(self.variance).tolist() if kept else None,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Cmvn:
        """The inverse of ``to_dict``; exact, for float32 values survive the way through Python's floats."""
        if values["kind"] == "global":
            return cls.global_(values["mean"], values["variance"])
        if values["kind"] == "whiten":
            mean, matrix, offset = (np.asarray(values[name], np.float64) for name in ("mean", "matrix", "offset"))
            return cls("whiten", mean, None, matrix, offset)
        return cls(values["kind"])


def fitted(choice: Kind | Whitening, archive: Training) -> Cmvn:
    """The normalisation that ``choice`` names, by the training ``archive``'s statistics or those of its file.

    Raises DataError where the file cannot be used, or is of other features.
    """
    if choice == "whiten":
        choice = Whitening()
    if not isinstance(choice, Whitening):
        return Cmvn(choice, archive.mean, archive.variance)
    if not choice.statistics:
        return Cmvn.whiten(Spread.of((archive.frames(at) for at in range(len(archive))), archive.path), choice)
    spread = Spread.load(Path(choice.statistics))
    if spread.dim != archive.dim:
        found = f"statistics of {spread.dim} dimensions"
        advice = "extract the same features, or name another file"
        raise DataError(choice.statistics, found, f"'{archive.path}' has {archive.dim}", advice)
    return Cmvn.whiten(spread, choice)


def speaker_statistics(archive: Moments) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Speaker -> mean and variance per dimension over all its frames; reads the whole archive once."""
    spoken: dict[str, list[int]] = {}
    for index, speaker in enumerate(archive.speakers):
        spoken.setdefault(speaker, []).append(index)
    return {speaker: archive.moments(indices) for speaker, indices in spoken.items()}
