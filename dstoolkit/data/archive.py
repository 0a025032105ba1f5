"""Reading feature archives; ``header.py`` gives the layout, ``ArchiveWriter`` (exported here) writes them.

Frames are read through a memory map of their contiguous bytes, which is several times as fast as HDF5 and safe in
forked workers; in spawned ones an archive opens itself again by its path. Frames that another tool has moved about or
compressed are read through h5py, opened anew in each process. Altered files are refused: the header's checksum is
compared when an archive opens, each utterance's digest when it is first read, all of them by ``verify``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from dstoolkit.data import header as layout
from dstoolkit.data.archive_writer import ArchiveWriter, Moments, digest
from dstoolkit.errors import ArchiveError, Faults

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray

__all__ = ["Archive", "ArchiveWriter"]


class Archive:
    """A finished archive, sharded or not. Raises ArchiveError where it is truncated, altered or of another format.

    ``mean`` and ``variance`` are ``(dim,)`` float32 over all frames. ``lengths`` is ``(n,)`` int64 in frames,
    ``durations`` ``(n,)`` float64 in seconds of audio, ``frame_shift`` in seconds, ``sample_rate`` in Hz (0 where
    features were computed elsewhere).
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._header, offset = layout.read(self.path)
        if self._header.shards:
            self._files = [self._open_shard(shard) for shard in self._header.shards]
        else:
            self._files = [_Frames(self.path, self._header, offset)]
        counts = [len(each.header.utterance_ids) for each in self._files]
        self._firsts = np.concatenate([[0], np.cumsum(counts)])
        self._checked = np.zeros(len(self), bool)

    def _open_shard(self, shard: layout.Shard) -> _Frames:
        path = self.path.parent / shard.file
        header, offset = layout.read(path)
        if header.checksum() != shard.checksum or len(header.utterance_ids) != shard.utterances:
            raise ArchiveError(path, f"not the shard that '{self.path}' was written with", "", layout.ADVICE)
        return _Frames(path, header, offset)

    def __reduce__(self) -> tuple[type[Archive], tuple[Path]]:
        return Archive, (self.path,)

    def __len__(self) -> int:
        return len(self._header.utterance_ids)

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files; reading opens them again."""
        for each in self._files:
            each.close()

    @property
    def utterance_ids(self) -> Sequence[str]:
        return self._header.utterance_ids

    @property
    def speakers(self) -> Sequence[str]:
        """The speaker of each utterance."""
        return self._header.speakers

    @property
    def durations(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        return self._header.durations

    @cached_property
    def lengths(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.diff(self._header.offsets)

    @property
    def dim(self) -> int:
        return self._header.dim

    @property
    def dtype(self) -> str:
        """How frames are stored: ``float32`` or ``float16``."""
        return self._header.dtype

    @property
    def frame_shift(self) -> float:
        return self._header.frame_shift

    @property
    def sample_rate(self) -> int:
        return self._header.sample_rate

    @property
    def extractor(self) -> str:
        return self._header.extractor

    @property
    def config(self) -> Mapping[str, Any]:
        """The extractor's whole configuration."""
        return self._header.config

    @property
    def shards(self) -> Sequence[Path]:
        """The files that hold the frames, the archive itself where it is not sharded."""
        return [each.path for each in self._files]

    @cached_property
    def mean(self) -> FloatArray:
        return self._header.mean.astype(np.float32)

    @cached_property
    def variance(self) -> FloatArray:
        return self._header.variance.astype(np.float32)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {each: index for index, each in enumerate(self.utterance_ids)}

    def index(self, utterance_id: str) -> int:
        """The place of an utterance. Raises ArchiveError for an id that is not here."""
        if utterance_id not in self._places:
            raise ArchiveError(self.path, f"no utterance {utterance_id!r}", f"it holds {len(self)} others")
        return self._places[utterance_id]

    def frames(self, index: int) -> FloatArray:
        """``(frames, dim)`` float32 of one utterance, a copy. Raises ArchiveError where its bytes were altered."""
        return self.read(index, index + 1)

    def read(self, first: int, last: int) -> FloatArray:
        """All frames of the utterances ``first`` to ``last - 1``, end to end: ``(sum of lengths, dim)`` float32.

        One read per shard. Raises IndexError outside the archive, ArchiveError where bytes were altered.
        """
        if not 0 <= first < last <= len(self):
            raise IndexError(f"utterances {first} to {last} of {len(self)}")
        parts = []
        after = np.searchsorted(self._firsts, [first, last - 1], side="right")  # the shards after theirs
        for shard in range(after[0] - 1, after[1]):
            start = int(self._firsts[shard])
            parts.append(
                self._read_shard(shard, max(first - start, 0), min(last, int(self._firsts[shard + 1])) - start)
            )
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _read_shard(self, shard: int, first: int, last: int) -> FloatArray:
        file, start = self._files[shard], int(self._firsts[shard])
        stored = file.read(first, last)
        if not self._checked[start + first : start + last].all():
            Faults.check(file.altered(first, last, stored))
            self._checked[start + first : start + last] = True
        frames: FloatArray = stored.astype(np.float32)
        return frames

    def moments(self, indices: Sequence[int]) -> tuple[FloatArray, FloatArray]:
        """Mean and variance (of the population) per dimension, each ``(dim,)``, over these utterances' frames."""
        moments = Moments(self.dim)
        for index in indices:
            frames = self.frames(index).astype(np.float64)
            moments.add(len(frames), frames.mean(axis=0), frames.var(axis=0))
        return moments.mean.astype(np.float32), moments.variance.astype(np.float32)

    def verify(self) -> None:
        """Read everything and compare every digest. Raises ArchiveError, or Faults naming all altered utterances."""
        faults: list[ArchiveError] = []
        for file in self._files:
            for index in range(len(file.header.utterance_ids)):
                faults += file.altered(index, index + 1, file.read(index, index + 1))
        Faults.check(faults)
        self._checked[:] = True


class _Frames:
    """The frames of one file."""

    def __init__(self, path: Path, header: layout.Header, offset: int | None) -> None:
        self.path, self.header, self.offset = path, header, offset
        self._map: Any = None
        self._dataset: Any = None
        self._pid = 0
        rows, columns = int(header.offsets[-1]), header.dim
        if offset is not None and path.stat().st_size < offset + rows * columns * layout.DTYPES[header.dtype].itemsize:
            raise ArchiveError(path, "truncated", f"its header states {rows} frames", layout.ADVICE)

    def read(self, first: int, last: int) -> Any:
        """As stored; a view of the map where there is one."""
        start, end = self.header.offsets[first], self.header.offsets[last]
        if self.offset is None:
            return self._through_h5py(start, end)
        if self._map is None:
            shape = (int(self.header.offsets[-1]), self.header.dim)
            dtype = layout.DTYPES[self.header.dtype]
            self._map = np.memmap(self.path, dtype, mode="r", offset=self.offset, shape=shape)
        return np.asarray(self._map[start:end])

    def _through_h5py(self, start: int, end: int) -> Any:
        if self._dataset is None or self._pid != os.getpid():  # an HDF5 handle must not cross a fork
            self._dataset, self._pid = h5py.File(self.path, "r")["frames"], os.getpid()
        try:
            return self._dataset[start:end]
        except OSError as error:
            raise ArchiveError(self.path, "frames that cannot be read", "", layout.ADVICE) from error

    def altered(self, first: int, last: int, stored: Any) -> list[ArchiveError]:
        """A fault for each utterance whose frames differ from their digest."""
        faults, start = [], self.header.offsets[first]
        for index in range(first, last):
            begin, end = self.header.offsets[index : index + 2] - start
            if digest(stored[begin:end]) != self.header.digests[index].tobytes():
                name = self.header.utterance_ids[index]
                faults.append(
                    ArchiveError(self.path, f"utterance {name!r} altered since it was written", "", layout.ADVICE)
                )
        return faults

    def close(self) -> None:
        if self._dataset is not None and self._pid == os.getpid():
            self._dataset.file.close()
        self._map = self._dataset = None
