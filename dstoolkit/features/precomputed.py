"""``precomputed``: features computed elsewhere, as ``feats.scp`` lists them.

Three kinds of file, told apart by their names:

- ``file.ark:1234`` (any other name too): a matrix of a Kaldi archive, compressed ones and ranges of frames
  (``file.ark:1234[0:9]``, both ends included) too, through kaldiio;
- ``file.mfc``: a Sphinx feature file: a count of float32 values in 4 bytes, then the values, ``dim`` per frame;
  big-endian by custom, little-endian where the count says so;
- ``file.npy``: a NumPy array ``(frames, dim)`` of any float type.

Nothing says what the values are. Where the vocal tract length is perturbed, they are taken for the cepstra that Sphinx
makes of 16 kHz audio by default: the cosine series of 40 logarithms on the mel scale, the first one's weight halved.

A piped entry (``command |``) is refused: nothing here runs a shell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from dstoolkit.errors import ConfigError, DataError
from dstoolkit.features import warping
from dstoolkit.features.deltas import add_deltas
from dstoolkit.features.mel import MelScale
from dstoolkit.interfaces import Features

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray

LOCATION = re.compile(r"(?P<file>.*?)(:(?P<offset>\d+))?(\[[^\]]*\])?", re.DOTALL)  # raw.ark:1234[0:9]
PIPE = re.compile(r"\|\s*(:\d+)?(\[[^\]]*\])?\s*$")
SPHINX = MelScale(40, 133.33334, 6855.4976, 8000.0)  # sphinx_fe: -nfilt, -lowerf, -upperf, half of -samprate
MOST_CEPSTRA = 20  # of more values it is likelier that they are no cepstra
KALDI_BINARY = b"\0B"  # what every binary matrix of Kaldi begins with


@dataclass(frozen=True)
class PrecomputedConfig:
    """Options of ``precomputed``."""

    dim: int = 13  # values per frame in the files
    frame_shift: float = 0.010  # s from one frame to the next; Sphinx makes 100 frames/s
    deltas: Literal[0, 1, 2] = 0  # orders of time derivatives added, over two frames on each side
    mean_removal: Literal["utterance", "none"] = "none"  # before the deltas

    def __post_init__(self) -> None:
        if self.dim < 1 or self.frame_shift <= 0:
            raise ValueError(f"dim is {self.dim} and frame_shift {self.frame_shift:g} s; expected more than 0")


class Precomputed(Features):
    """``dim`` values per frame, times one more than the orders of deltas."""

    name: ClassVar[str] = "precomputed"
    Config: ClassVar[type] = PrecomputedConfig
    source: ClassVar[str] = "feats.scp"

    def __init__(self, config: PrecomputedConfig, sample_rate: int = 0) -> None:
        self.config = config

    @property
    def dim(self) -> int:
        return self.config.dim * (self.config.deltas + 1)

    @property
    def frame_shift(self) -> float:
        return self.config.frame_shift

    def num_frames(self, num_samples: int) -> int:
        """``num_samples`` counts the file's values here: ``dim`` of them make a frame."""
        return num_samples // self.config.dim

    def load(self, location: str) -> FloatArray:
        frames = self._read(location)
        if frames.ndim != 2 or frames.shape[1] != self.config.dim:
            shape = " x ".join(str(size) for size in frames.shape) or "a single value"
            raise DataError(
                location, f"{shape} values", f"expected frames x {self.config.dim}", "set features.dim to what it holds"
            )
        frames = np.asarray(frames, np.float32)
        if not np.isfinite(frames).all():
            raise DataError(location, "values that are not finite", "expected numbers")
        if self.config.mean_removal == "utterance" and len(frames):
            frames = frames - frames.mean(axis=0)
        return add_deltas(frames, self.config.deltas)

    def loudness(self, frames: FloatArray) -> FloatArray:
        """The first coefficient: the energy, or what stands for it."""
        return frames[:, 0]

    def warping(self, factor: float) -> FloatArray:
        size = self.config.dim
        if size > MOST_CEPSTRA:
            expected = f"only cepstra can be warped, {MOST_CEPSTRA} or fewer"
            raise ConfigError("augment.vtlp", f"precomputed frames of {size} values", expected, "set augment.vtlp=0")
        return self._changing(SPHINX.cepstra(size, factor))

    def masking(self, first: float, last: float) -> FloatArray:
        size = self.config.dim
        if size > MOST_CEPSTRA:
            found, expected = f"precomputed frames of {size} values", f"of cepstra, {MOST_CEPSTRA} or fewer"
            raise ConfigError("augment.band_masks", found, expected, "set augment.frequency_masks instead")
        return self._changing(warping.without_band(size, first, last))

    def _changing(self, matrix: Any) -> FloatArray:
        """A matrix on orthonormal cepstra as one on frames."""
        weights = np.where(np.arange(self.config.dim) == 0, np.sqrt(0.5), 1.0)  # Sphinx's by orthonormal ones
        return warping.of_blocks(matrix * weights[:, None] / weights, self.config.deltas + 1)

    def _read(self, location: str) -> Any:
        if PIPE.search(location):
            raise DataError(location, "a piped command", "expected a file", "run the command and list its output")
        try:
            if location.endswith(".mfc"):
                return read_sphinx(Path(location), self.config.dim)
            if location.endswith(".npy"):
                return read_numpy(location)
            return read_kaldi(location)
        except OSError as error:
            raise DataError(location, (error.strerror or str(error)).lower(), "expected a feature file") from error


def read_sphinx(path: Path, dim: int) -> FloatArray:
    """A Sphinx feature file, ``(frames, dim)``. Raises DataError for one that contradicts its count or ``dim``."""
    content = path.read_bytes()
    held, odd = divmod(len(content) - 4, 4)
    counts = {order: int.from_bytes(content[:4], order) for order in ("big", "little")}
    order = next((order for order, count in counts.items() if count == held and not odd), None)
    if order is None:
        count = f"{counts['big']} (or, little-endian, {counts['little']})"
        raise DataError(path, f"{len(content)} bytes", f"its count of float32 values says {count}", "make it anew")
    if held % dim:
        raise DataError(path, f"{held} values", f"expected a multiple of {dim}", "set features.dim to what it holds")
    return np.frombuffer(content, ">f4" if order == "big" else "<f4", offset=4).reshape(-1, dim).astype(np.float32)


def read_numpy(location: str) -> Any:
    """An array of floats. Raises DataError for another array or none."""
    try:
        found = np.load(location, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(location, "not a NumPy array of numbers", "expected what numpy.save writes") from error
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu":
        raise DataError(location, "not an array of numbers", "expected what numpy.save writes")
    return found


def read_kaldi(location: str) -> Any:
    """``file.ark:offset`` or a file that holds one matrix, as an array. Raises DataError for what is no matrix."""
    import kaldiio

    file, offset = LOCATION.fullmatch(location).group("file", "offset")  # type: ignore[union-attr]  # all matches
    if not Path(file).is_file():
        raise DataError(location, "no such file", "expected a Kaldi archive, an '.mfc' or an '.npy' file")
    with open(file, "rb") as ark:
        ark.seek(int(offset or 0))
        start = ark.read(len(KALDI_BINARY))
    if start != KALDI_BINARY and not start.lstrip().startswith(b"["):  # kaldiio would even unpickle what says 'PKL'
        raise DataError(location, f"not a Kaldi matrix: it begins with {start!r}", "expected 'file.ark:offset'")
    try:
        found = kaldiio.load_mat(location)
    except Exception as error:  # kaldiio raises anything from struct.error to AssertionError on foreign bytes
        what = " ".join(str(error).split()) or type(error).__name__
        raise DataError(location, f"not a Kaldi matrix: {what}", "expected 'file.ark:offset'") from error
    if not isinstance(found, np.ndarray):  # kaldiio reads audio from arks too
        raise DataError(location, "no matrix", "expected 'file.ark:offset' of a matrix")
    return found
