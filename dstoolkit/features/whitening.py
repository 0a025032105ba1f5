"""Whitening: one affine map of the frames, after which their dimensions are uncorrelated, each of variance 1.

``statistics`` of the frames are their mean, deviation and principal directions; ``matrix`` makes of them what is asked
for: the ZCA map (rotate to the principal directions, scale there, rotate back, which changes frames least; Bell and
Sejnowski, Vision Research 37(23), 1997), the PCA map (without the way back) or a scale per dimension. Variances are
of the sample (divided by n - 1). A direction whose variance is below ``NEGLIGIBLE`` of the largest holds rounding
errors alone, and becomes 0.

The statistics may be kept in a file, JSON with the keys ``frames``, ``mean`` ``(dim,)``, ``deviation`` ``(dim,)``,
``variances`` ``(dim,)`` along the ``directions`` ``(dim, dim)``, one a row, the largest variance first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dstoolkit import stamp
from dstoolkit.errors import DataError

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray

NEGLIGIBLE = 1e-12  # of the largest variance: a millionth of its deviation
KEYS = ("mean", "deviation", "variances", "directions")
ADVICE = "make it anew, or name another"


@dataclass(frozen=True)
class Whitening:
    """``cmvn: {name: whiten, ...}``.

    rotation: ``zca``, ``pca`` or ``none`` (each dimension by itself). center, scale: to mean 0, to variance 1.
    statistics: a file of them; empty: those of the training data.
    """

    name: Literal["whiten"] = "whiten"
    rotation: Literal["zca", "pca", "none"] = "zca"
    center: bool = True
    scale: bool = True
    statistics: str = ""

    def __post_init__(self) -> None:
        if self.rotation == "zca" and not self.scale:
            raise ValueError("rotation 'zca' without scale turns frames and turns them back; expected 'pca' or 'none'")


@dataclass(frozen=True, eq=False)
class Spread:
    """How frames are spread: see the module's docstring; all float64."""

    frames: int
    mean: Any
    deviation: Any
    variances: Any
    directions: Any

    @property
    def dim(self) -> int:
        return len(self.mean)

    @classmethod
    def of(cls, blocks: Iterable[FloatArray], where: object) -> Spread:
        """Of all frames of ``(frames, dim)`` blocks, in one pass. Raises DataError for fewer than two frames."""
        count, mean, scatter = 0, np.zeros(1), np.zeros((1, 1))
        for block in blocks:
            if not len(block):
                continue
            own = block.astype(np.float64)
            centre = own.mean(axis=0)
            apart, total = centre - mean, count + len(own)
            scatter = scatter + (own - centre).T @ (own - centre) + np.outer(apart, apart) * (count * len(own) / total)
            mean = mean + apart * (len(own) / total)
            count = total
        if count < 2:
            raise DataError(where, f"{count} frames", "expected two or more to whiten by")
        covariance = scatter / (count - 1)
        variances, columns = np.linalg.eigh(covariance)
        deviation = np.sqrt(np.maximum(np.diag(covariance), 0))
        return cls(count, mean, deviation, np.maximum(variances[::-1], 0), columns.T[::-1])

    def matrix(self, choice: Whitening) -> Any:
        """``(dim, dim)`` float64: what multiplies ``frames - mean``, as a column."""
        if choice.rotation == "none":
            return np.diag(_inverse(self.deviation) if choice.scale else np.ones(self.dim))
        signs = np.where(self.directions[:, :1] < 0, -1.0, 1.0)  # directions have no sign of their own
        turned = signs * self.directions
        if choice.scale:
            kept = self.variances > NEGLIGIBLE * self.variances[0]
            turned = np.where(kept, 1 / np.sqrt(np.where(kept, self.variances, 1)), 0)[:, None] * turned
        return (signs * self.directions).T @ turned if choice.rotation == "zca" else turned

    def save(self, path: Path) -> None:
        """Write the file, whole."""
        values = {"frames": self.frames, **{key: getattr(self, key).tolist() for key in KEYS}}
        stamp.write_text(path, json.dumps(values) + "\n")

    @classmethod
    def load(cls, path: Path) -> Spread:
        """Read the file. Raises DataError where it is missing or holds something else."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            arrays = {key: np.asarray(found[key], np.float64) for key in KEYS}
            made = cls(int(found["frames"]), **arrays)
        except OSError as error:
            raise DataError(path, (error.strerror or str(error)).lower(), "expected statistics to whiten by") from error
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                path, f"no statistics to whiten by: {error}".lower(), f"expected {', '.join(KEYS)}"
            ) from error
        shapes = {each.shape for each in (made.deviation, made.variances)} | {made.directions.shape[:1]}
        if made.mean.ndim != 1 or shapes != {made.mean.shape} or made.directions.shape != made.mean.shape * 2:
            raise DataError(
                path, "arrays that do not fit together", "expected (dim,), and directions (dim, dim)", ADVICE
            )
        if not all(np.isfinite(each).all() for each in arrays.values()):
            raise DataError(path, "values that are not finite", "", ADVICE)
        return made


def _inverse(deviation: Any) -> Any:
    """1 / deviation; 1 where nothing varies."""
    return 1 / np.where(deviation > 0, deviation, 1)
