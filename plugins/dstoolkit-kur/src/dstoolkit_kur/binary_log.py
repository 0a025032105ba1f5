"""Kur's binary log: a folder with a file for each statistic, which Kur's own tools and plots read.

A file is an array in the IDX format, known from the MNIST data (http://yann.lecun.com/exdb/mnist): two bytes 0, the
type (0x0c: int32, 0x0d: float32), the number of axes, their sizes as big-endian uint32, the values, big-endian too. For
``training`` and ``validation`` there are ``TYPE_loss_OUTPUT``, ``TYPE_loss_total``, ``TYPE_loss_batch`` (batches until
then) and ``TYPE_loss_time`` (seconds until then), a value an epoch; for ``batch`` the same, a value a batch. ``_``
within a name is doubled. ``summary.yml`` has the counts. The losses are in nats per character, as everywhere here;
Kur's were per utterance.
"""

from __future__ import annotations

import itertools
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dstoolkit import stamp
from dstoolkit.errors import ConfigError
from dstoolkit_kur.dumping import yaml_text

INT32, FLOAT32 = 0x0C, 0x0D
HEAD = 8  # bytes before the values of an array with one axis
KINDS = {"training": "train", "validation": "dev"}
METRICS, SUMMARY, VERSION = "metrics.jsonl", "summary.yml", 3
History = Sequence[Mapping[str, Any]]


def write(folder: Path, history: History, outputs: Sequence[str]) -> None:
    """All epochs anew, one file after another, each whole. ``outputs``: the names of the trained ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, ours in KINDS.items():
        for name, values in columns(history, ours, outputs):
            stamp.write_bytes(folder / file_name(kind, name), idx(values))
    counts = {"version": VERSION, "epochs": len(history), "batches": history[-1]["step"] if history else 0}
    stamp.write_text(folder / SUMMARY, yaml_text(counts))


def file_name(kind: str, name: str) -> str:
    return f"{kind}_loss_{name.replace('_', '__').replace('/', '__')}"


def columns(history: History, kind: str, outputs: Sequence[str]) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Names and values; a loss that is no number is NaN."""
    total = f"{kind}_loss"
    yield "total", losses(history, total)
    for each in outputs:
        own = f"{total}_{each}"  # where one output is trained by 1, its loss is the total
        yield each, losses(history, own if history and own in history[0] else total)
    yield "batch", np.asarray([each["step"] for each in history], np.int32)
    seconds = itertools.accumulate(each["seconds"] for each in history)
    yield "time", np.asarray(list(seconds), np.float32)


def losses(history: History, key: str) -> np.ndarray[Any, Any]:
    return np.asarray([np.nan if each[key] is None else each[key] for each in history], np.float32)


def idx(values: np.ndarray[Any, Any]) -> bytes:
    """An array of int32 or float32 as a file."""
    kind = INT32 if values.dtype.kind == "i" else FLOAT32
    head = struct.pack(f">4B{values.ndim}I", 0, 0, kind, values.ndim, *values.shape)
    return head + values.astype(values.dtype.newbyteorder(">")).tobytes()


def read(path: Path) -> np.ndarray[Any, Any]:
    """The values of a file; none where it is not there."""
    if not path.exists():
        return np.zeros(0, np.float32)
    content = path.read_bytes()
    count = int.from_bytes(content[4:8], "big")
    return np.frombuffer(content, ">i4" if content[2] == INT32 else ">f4", count, offset=HEAD)


def append(path: Path, values: np.ndarray[Any, Any]) -> None:
    """The values after those that are there. Their number is written last: until then they are not there."""
    if not path.exists():
        stamp.write_bytes(path, idx(values))
        return
    with path.open("r+b") as file:
        file.seek(4)
        count = int.from_bytes(file.read(4), "big")
        file.seek(HEAD + 4 * count)
        file.truncate()
        file.write(idx(values)[HEAD:])
        file.flush()
        file.seek(4)
        file.write(struct.pack(">I", count + len(values)))


class Batches:
    """The values of batches, written every ``rate`` seconds and at the ends of epochs; None: at these alone."""

    def __init__(self, folder: Path, outputs: Sequence[str], rate: float | None) -> None:
        self.folder, self.outputs, self.rate = folder, outputs, rate
        self.waiting: list[dict[str, float]] = []
        self.before, self.began, self.wrote = 0.0, 0.0, 0.0  # seconds: of former runs; by the clock

    def begin(self, step: int) -> None:
        """After ``step`` batches; what a former run wrote of later ones goes, for these come again."""
        kept = int((read(self.folder / file_name("batch", "batch")) <= step).sum())
        for name in (*self.outputs, "total", "batch", "time"):
            path = self.folder / file_name("batch", name)
            found = read(path)
            if len(found) > kept:
                stamp.write_bytes(path, idx(found[:kept]))
        times = read(self.folder / file_name("batch", "time"))
        self.before = float(times[-1]) if len(times) else 0.0
        self.began = self.wrote = time.monotonic()

    def step(self, step: int, found: Mapping[str, float]) -> None:
        """``found``: as the hook ``dstoolkit_step_end`` has the losses."""
        now = time.monotonic()
        self.waiting.append({**found, "step": step, "time": self.before + now - self.began})
        if self.rate is not None and now - self.wrote >= self.rate:
            self.write()

    def write(self) -> None:
        rows, self.waiting, self.wrote = self.waiting, [], time.monotonic()
        if not rows:
            return
        if not (self.folder / METRICS).exists():  # by which the folder is known as ours
            self.folder.mkdir(parents=True, exist_ok=True)
            stamp.write_text(self.folder / METRICS, "")
        keys = {each: f"batch_loss_{each}" for each in self.outputs}
        keys = {each: key if key in rows[0] else "batch_loss" for each, key in keys.items()}
        for name, key in {"total": "batch_loss", **keys, "time": "time"}.items():
            append(self.folder / file_name("batch", name), np.asarray([row[key] for row in rows], np.float32))
        steps = np.asarray([row["step"] for row in rows], np.int32)
        append(self.folder / file_name("batch", "batch"), steps)  # last: it says how many there are


def check(folder: Path, where: str) -> None:
    """Raises ConfigError for a file, and for a folder that Kur wrote: it would be written over."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(where, f"'{folder}' is a file", "expected a folder", "name another path")
    if any(folder.glob("*_loss_*")) and not (folder / METRICS).exists():
        found = f"'{folder}' holds a log of another program"
        raise ConfigError(where, found, "expected a folder that is empty or dstoolkit's", "name another path")
