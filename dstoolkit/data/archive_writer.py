"""Writing feature archives; ``header.py`` gives the layout.

HDF5 must know a contiguous dataset's size beforehand, so frames wait in a nameless temporary file beside the archive,
which vanishes with the process, and are copied into place at the end: for a moment a file (or a shard) takes its size
twice. Memory holds one utterance and the tables.

An archive with ``shard_frames`` becomes, once it exceeds them, an index at ``path`` and shards in a folder beside it
that is named after its content, ``features.1a2b3c4d.shards``: an index and its shards can never be mixed up, and the
old ones stay whole until the new index takes the old one's name.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import h5py
import numpy as np

from dstoolkit import stamp
from dstoolkit.data.header import DIGEST_SIZE, DTYPES, Header, Shard
from dstoolkit.errors import ArchiveError, DataError

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray

COPIED = 1 << 22  # bytes copied at once


def digest(stored: Any) -> bytes:
    """BLAKE2b of an utterance's stored bytes."""
    return hashlib.blake2b(np.ascontiguousarray(stored).data, digest_size=DIGEST_SIZE).digest()


class Moments:
    """Mean and population variance per dimension, gathered utterance by utterance in float64.

    Source: Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing sample variances, 1979.
    """

    def __init__(self, dim: int) -> None:
        self.count = 0
        self.mean = np.zeros(dim)
        self._squares = np.zeros(dim)  # summed squared deviations from the mean

    def add(self, count: int, mean: Any, variance: Any) -> None:
        """So many more frames, of this mean and variance."""
        total, apart = self.count + count, mean - self.mean
        self.mean = self.mean + apart * (count / total)
        self._squares = self._squares + variance * count + apart**2 * (self.count * count / total)
        self.count = total

    @property
    def variance(self) -> Any:
        return self._squares / max(self.count, 1)


@dataclass(frozen=True, eq=False)
class Stored:
    """An utterance's frames as an archive stores them, and what is computed of them; extraction's workers make it."""

    frames: Any  # (frames, dim)
    digest: bytes
    mean: Any  # (dim,) float64
    variance: Any

    @classmethod
    def of(cls, utterance_id: str, frames: FloatArray, dim: int, dtype: str) -> Stored:
        """Raises DataError for frames of no use: of another shape, none, or not finite."""
        with np.errstate(over="ignore"):  # float16 ends at 65504
            stored = np.ascontiguousarray(frames, DTYPES[dtype])
        where = f"utterance {utterance_id!r}"
        if stored.ndim != 2 or stored.shape[1] != dim:
            raise DataError(where, f"features of shape {stored.shape}", f"expected (frames, {dim})")
        if len(stored) == 0:
            raise DataError(where, "too short for one frame", "expected one or more", "leave it out")
        if not np.isfinite(stored).all():
            advice = "pass --dtype float32" if dtype == "float16" else ""
            raise DataError(where, f"features that are not finite in {dtype}", "expected numbers", advice)
        apart = stored.astype(np.float64)
        mean = apart.mean(axis=0)
        apart -= mean
        return cls(stored, digest(stored), mean, np.einsum("ij,ij->j", apart, apart) / len(stored))


class ArchiveWriter:
    """A context manager; the archive is whole at ``path`` where its block succeeds, and absent otherwise.

    ``path`` is a new file's, such as ``stamp.building`` gives. ``extractor`` and ``config`` say what made the frames;
    ``sample_rate`` is in Hz, ``frame_shift`` in seconds. Where ``shard_frames`` is given, a file never holds more
    frames, save in an utterance that alone has more. ``stem`` begins the name of the shards' folder.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        extractor: str,
        config: Mapping[str, Any],
        sample_rate: int,
        frame_shift: float,
        dim: int,
        dtype: Literal["float32", "float16"] = "float32",
        shard_frames: int | None = None,
        stem: str = "features",
    ) -> None:
        self.path, self.shard_frames, self.stem = Path(path), shard_frames, stem
        none = np.empty(0)
        self._empty = Header(
            extractor, dict(config), sample_rate, frame_shift, dtype, (), (), none, none, none, np.zeros(dim), none
        )
        self._partial = self.path.with_name(f".{stem}.shards.partial")
        self._shards: list[Header] = []
        self._all: set[str] = set()
        self._begin()

    def _begin(self) -> None:
        self._ids: list[str] = []
        self._speakers: list[str] = []
        self._durations: list[float] = []
        self._lengths: list[int] = []
        self._rows = 0
        self._digests: list[bytes] = []
        self._moments = Moments(self._empty.dim)
        self._spill: IO[bytes] | None = None

    def __enter__(self) -> ArchiveWriter:
        stamp.remove(self._partial)  # what a killed run left
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                self._finish()
        except BaseException:
            self._discard()
            raise
        if kind is not None:
            self._discard()

    def _discard(self) -> None:
        if self._spill:
            self._spill.close()
        stamp.remove(self._partial)
        stamp.remove(self.path)

    def add(self, utterance_id: str, frames: FloatArray | Stored, speaker: str, duration: float) -> None:
        """Append an utterance: ``(frames, dim)`` and its seconds of audio. Raises DataError for frames of no use."""
        if utterance_id in self._all:
            raise DataError(f"utterance {utterance_id!r}", "occurs twice", "expected each id once")
        if isinstance(frames, Stored):
            stored = frames
        else:
            stored = Stored.of(utterance_id, frames, self._empty.dim, self._empty.dtype)
        if self.shard_frames and self._lengths and self._rows + len(stored.frames) > self.shard_frames:
            self._write_shard()
        if self._spill is None:
            self._spill = tempfile.TemporaryFile(dir=self.path.parent)  # noqa: SIM115  closed by _write_file or _discard
        with naming(self.path):
            self._spill.write(stored.frames.data)
        self._all.add(utterance_id)
        self._ids.append(utterance_id)
        self._speakers.append(speaker)
        self._durations.append(duration)
        self._lengths.append(len(stored.frames))
        self._rows += len(stored.frames)
        self._digests.append(stored.digest)
        self._moments.add(len(stored.frames), stored.mean, stored.variance)

    def _header(self) -> Header:
        """The header of what was added since the last shard."""
        return replace(
            self._empty,
            utterance_ids=tuple(self._ids),
            speakers=tuple(self._speakers),
            durations=np.array(self._durations, np.float64),
            offsets=np.concatenate([[0], np.cumsum(self._lengths)]).astype(np.int64),
            digests=np.frombuffer(b"".join(self._digests), dtype=np.uint8).reshape(-1, DIGEST_SIZE),
            mean=self._moments.mean,
            variance=self._moments.variance,
        )

    def _finish(self) -> None:
        if not self._ids:
            raise ArchiveError(self.path, "no utterances", "expected one or more")
        if not self._shards:
            self._write_file(self.path, self._header())
            return
        self._write_shard()
        stamp.sync_tree(self._partial)
        content = hashlib.sha256("".join(each.checksum() for each in self._shards).encode()).hexdigest()
        folder = self.path.with_name(f"{self.stem}.{content[:8]}.shards")
        existed = folder.exists()  # an archive made anew with the same content: its old index must stay whole
        stamp.remove(folder)
        os.replace(self._partial, folder)
        try:
            self._write_index(folder.name)
        except BaseException:
            if not existed:
                stamp.remove(folder)
            raise

    def _write_shard(self) -> None:
        self._partial.mkdir(exist_ok=True)
        header = self._header()
        self._write_file(self._partial / shard_name(len(self._shards)), header)
        self._shards.append(header)
        self._begin()

    def _write_file(self, path: Path, header: Header) -> None:
        assert self._spill is not None, "a header without frames is never written"
        dtype, rows = DTYPES[header.dtype], int(header.offsets[-1])
        step = max(1, COPIED // (header.dim * dtype.itemsize))
        with naming(path), h5py.File(path, "w", libver=("v110", "v110")) as file:
            header.write(file)
            frames = file.create_dataset("frames", (rows, header.dim), dtype)
            self._spill.seek(0)
            for first in range(0, rows, step):
                block = self._spill.read(step * header.dim * dtype.itemsize)
                frames[first : first + step] = np.frombuffer(block, dtype=dtype).reshape(-1, header.dim)
        self._spill.close()
        self._spill = None

    def _write_index(self, folder: str) -> None:
        header = self._joined(folder)
        space = h5py.h5s.create_simple((int(header.offsets[-1]), header.dim))
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_obj_track_times(False)  # which h5py's own virtual datasets do: their bytes tell the time
        first = 0
        for shard, part in zip(header.shards, self._shards, strict=True):
            shape = int(part.offsets[-1]), header.dim
            space.select_hyperslab((first, 0), shape)
            creation.set_virtual(space, shard.file.encode(), b"frames", h5py.h5s.create_simple(shape))
            first += shape[0]
        with naming(self.path), h5py.File(self.path, "w", libver=("v110", "v110")) as file:
            header.write(file)
            kind = h5py.h5t.py_create(DTYPES[header.dtype])
            space.select_all()
            h5py.h5d.create(file.id, b"frames", kind, space, creation)

    def _joined(self, folder: str) -> Header:
        """The header of the index."""
        moments = Moments(self._empty.dim)
        for each in self._shards:
            moments.add(int(each.offsets[-1]), each.mean, each.variance)
        lengths = np.concatenate([np.diff(each.offsets) for each in self._shards])
        return replace(
            self._empty,
            utterance_ids=tuple(one for each in self._shards for one in each.utterance_ids),
            speakers=tuple(one for each in self._shards for one in each.speakers),
            durations=np.concatenate([each.durations for each in self._shards]),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            digests=np.concatenate([each.digests for each in self._shards]),
            mean=moments.mean,
            variance=moments.variance,
            shards=tuple(
                Shard(f"{folder}/{shard_name(at)}", len(each.utterance_ids), each.checksum())
                for at, each in enumerate(self._shards)
            ),
        )


def shard_name(number: int) -> str:
    return f"{number:05d}.h5"


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """A failed write names the file, and a full disk is called so though HDF5 hides it in a longer message."""
    try:
        yield
    except OSError as error:
        number = errno.ENOSPC if "No space left" in str(error) else error.errno
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error
