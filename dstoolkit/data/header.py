"""The layout of a feature archive (``features.h5``): the one place that knows it.

Datasets: ``frames`` (total_frames, dim), float32 or float16, contiguous, all utterances end to end; ``offsets`` (n+1,)
int64, where each utterance begins; ``utterance_ids`` and ``speakers`` (n,), UTF-8; ``durations`` (n,) float64, seconds
of audio; ``digests`` (n, 16) uint8, BLAKE2b of each utterance's bytes of ``frames``. Attributes: ``format_version``,
``extractor``, ``config`` (JSON), ``sample_rate`` (Hz; 0 for precomputed features), ``frame_shift`` (s), ``mean`` and
``variance`` (dim,) float64 over all frames, ``shards`` (JSON), and ``checksum``: SHA-256 of everything but the frames.

A large archive is an index and shards. Each shard is an archive of its own, some utterances in a row; the index is one
too, but its ``frames`` is a virtual dataset over theirs and its ``shards`` says where they are, relative to itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from dstoolkit.errors import ArchiveError

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

FORMAT_VERSION = 1
DIGEST_SIZE = 16  # bytes
DTYPES: dict[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2")}
ADVICE = "make it anew with 'dstoolkit features extract --force'"


@dataclass(frozen=True)
class Shard:
    """A part of an archive: its file, its utterances' number, and its own checksum."""

    file: str  # relative to the index's folder
    utterances: int
    checksum: str


@dataclass(frozen=True, eq=False)
class Header:
    """Everything in an archive but the frames."""

    extractor: str
    config: Mapping[str, Any]
    sample_rate: int  # Hz
    frame_shift: float  # s
    dtype: str
    utterance_ids: tuple[str, ...]
    speakers: tuple[str, ...]
    durations: Array  # (n,) float64, s
    offsets: Array  # (n + 1,) int64, frames
    digests: Array  # (n, DIGEST_SIZE) uint8
    mean: Array  # (dim,) float64
    variance: Array  # (dim,) float64
    shards: tuple[Shard, ...] = ()

    @property
    def dim(self) -> int:
        return len(self.mean)

    def attributes(self) -> dict[str, Any]:
        return {
            "format_version": FORMAT_VERSION,
            "extractor": self.extractor,
            "config": json.dumps(self.config, sort_keys=True),
            "sample_rate": self.sample_rate,
            "frame_shift": self.frame_shift,
            "shards": json.dumps([[each.file, each.utterances, each.checksum] for each in self.shards]),
        }

    def checksum(self) -> str:
        """SHA-256 over attributes, ids, speakers, and the arrays, frames excepted."""
        texts = [self.attributes(), self.dtype, self.utterance_ids, self.speakers]
        hasher = hashlib.sha256(json.dumps(texts, sort_keys=True).encode())
        for array in (self.durations, self.offsets, self.digests, self.mean, self.variance):
            hasher.update(f"{array.dtype.str}{array.shape}".encode())
            hasher.update(np.ascontiguousarray(array).tobytes())
        return hasher.hexdigest()

    def write(self, file: h5py.File) -> None:
        """Everything but the dataset ``frames``."""
        file.attrs.update(self.attributes())
        file.attrs["mean"], file.attrs["variance"] = self.mean, self.variance
        file.create_dataset("utterance_ids", data=_encoded(self.utterance_ids))
        file.create_dataset("speakers", data=_encoded(self.speakers))
        for name in ("durations", "offsets", "digests"):
            file.create_dataset(name, data=getattr(self, name))
        file.attrs["checksum"] = self.checksum()


def _encoded(texts: tuple[str, ...]) -> Array:
    """Texts of fixed width in bytes: read 20 times as fast as those of variable length."""
    encoded = [text.encode() for text in texts]
    width = max(map(len, encoded), default=1) or 1
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", width))


def open_file(path: Path) -> h5py.File:
    """The HDF5 file, for reading. Raises ArchiveError where it is missing, truncated or no HDF5."""
    if not path.is_file():
        raise ArchiveError(path, "no such file", "expected a feature archive", "run 'dstoolkit features extract'")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        what = "truncated" if "truncated file" in str(error) else "no HDF5 file"
        raise ArchiveError(path, what, "expected a feature archive", ADVICE) from error


def read(path: Path) -> tuple[Header, int | None]:
    """An archive's header, and the place of its contiguous frames in bytes (None: read them through h5py).

    Raises ArchiveError where anything is missing, contradicts the rest, or was altered.
    """
    with open_file(path) as file:
        version = file.attrs.get("format_version")
        if version is None:
            raise ArchiveError(path, "an HDF5 file without 'format_version'", "expected a feature archive", ADVICE)
        if version != FORMAT_VERSION:
            raise ArchiveError(path, f"archive format {version}", f"this dstoolkit reads {FORMAT_VERSION}", ADVICE)
        try:
            header, checksum = _read(file), file.attrs["checksum"]
            _check_shape(path, header, file["frames"].shape)
            offset = file["frames"].id.get_offset()
        except (KeyError, ValueError, TypeError, OSError, AttributeError) as error:
            raise ArchiveError(path, f"unreadable: {error}", "expected a feature archive", ADVICE) from error
    if header.checksum() != checksum:
        raise ArchiveError(path, "altered since it was written: its header's checksum does not agree", "", ADVICE)
    return header, offset


def _read(file: h5py.File) -> Header:
    attributes, dtype = file.attrs, file["frames"].dtype
    if dtype not in DTYPES.values():
        raise ValueError(f"frames of type {dtype}")
    return Header(
        extractor=str(attributes["extractor"]),
        config=json.loads(attributes["config"]),
        sample_rate=int(attributes["sample_rate"]),
        frame_shift=float(attributes["frame_shift"]),
        dtype=dtype.name,
        utterance_ids=tuple(text.decode() for text in file["utterance_ids"][:].tolist()),
        speakers=tuple(text.decode() for text in file["speakers"][:].tolist()),
        durations=file["durations"][:],
        offsets=file["offsets"][:],
        digests=file["digests"][:],
        mean=attributes["mean"],
        variance=attributes["variance"],
        shards=tuple(Shard(*each) for each in json.loads(attributes["shards"])),
    )


def _check_shape(path: Path, header: Header, shape: tuple[int, ...]) -> None:
    """Refuse parts that contradict one another, before anything is read by them. Raises ArchiveError."""
    count = len(header.utterance_ids)
    lengths = {len(header.speakers), len(header.durations), len(header.offsets) - 1, len(header.digests)}
    if lengths != {count}:
        raise ArchiveError(path, "ids, speakers, durations, offsets and digests differ in number", "", ADVICE)
    offsets = header.offsets
    if offsets[0] != 0 or (np.diff(offsets) <= 0).any() or shape != (offsets[-1], header.dim):
        sizes = f"frames {shape} and offsets up to {offsets[-1]}"
        raise ArchiveError(path, f"{sizes} contradict each other", "expected each utterance's place", ADVICE)
    if len(set(header.utterance_ids)) != count:
        raise ArchiveError(path, "an utterance id occurs twice", "", ADVICE)
    if header.shards and sum(shard.utterances for shard in header.shards) != count:
        raise ArchiveError(path, "its shards hold another number of utterances", "", ADVICE)
