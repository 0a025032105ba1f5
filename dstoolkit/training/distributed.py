"""Several processes that train one model (``torchrun``): who I am among them, and what we tell each other.

Every process plans the same batches and computes its own share of each; torch's DistributedDataParallel adds the
gradients up, over nccl on GPUs and gloo elsewhere. Whatever is decided (a step to skip, an interruption) is decided
from sums over all processes, so that all decide alike. Only the first process, ``main``, writes and speaks.

    torchrun --nproc-per-node 2 -m dstoolkit train exp/first --train data/train ...
"""

from __future__ import annotations

import itertools
import os
import pickle
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import distributed, nn
from torch.distributed.rendezvous import rendezvous

from dstoolkit.errors import DstoolkitError
from dstoolkit.models import masking

T = TypeVar("T")
IntArray = np.ndarray[Any, np.dtype[np.int64]]
WAIT = 0.1  # seconds between two looks at whether the first process is done
joined: list[World] = []  # the world that this process is in
worlds = itertools.count()  # that it joined


@dataclass(frozen=True)
class World:
    """This process's ``rank`` among ``size``. Alone, every method is what it is for one process."""

    rank: int = 0
    size: int = 1
    store: Any = None  # torch's, by which the processes met

    @property
    def main(self) -> bool:
        return self.rank == 0

    def share(self, indices: IntArray) -> IntArray:
        """Every ``size``-th utterance, so that lengths, which are sorted, are shared out evenly."""
        return indices[self.rank :: self.size]

    def sum(self, values: Sequence[float]) -> list[float]:
        """Each value summed over the processes, in float64."""
        if self.size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=_device())
        distributed.all_reduce(total)
        found: list[float] = total.tolist()
        return found

    def gather(self, value: T) -> list[T]:
        """Every process's ``value``, by rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value)
        return values

    def follow(self, value: T) -> T:
        """The first process's ``value``."""
        if self.size == 1:
            return value
        values = [value]
        distributed.broadcast_object_list(values, src=0)
        return values[0]

    def first(self, make: Callable[[], T]) -> T:
        """What ``make`` gives, called by the first process alone; the others wait, however long it takes.

        All raise the DstoolkitError that it raises.
        """
        if self.store is None:
            return make()
        name = self.follow(uuid.uuid4().hex)  # of this call alone, whatever starts and calls the store knows of
        if self.main:
            self.store.set(name, pickle.dumps(_outcome(make)))
        while not self.store.check([name]):  # a collective call would give up after some minutes
            time.sleep(WAIT)
        value, error = pickle.loads(self.store.get(name))  # what our own first process wrote
        if error is not None:
            raise error
        found: T = value
        return found

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model whose backward pass adds gradients up, with batch statistics over all processes."""
        if self.size == 1:
            return model
        masking.synchronise(model, distributed.group.WORLD)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of the option's new name, which older torch does not know
            # buffers are equal by construction
            return nn.parallel.DistributedDataParallel(model, broadcast_buffers=False)


def _outcome(make: Callable[[], T]) -> tuple[T | None, DstoolkitError | None]:
    """What it gave, or what it raised for the user to mend. After another error torchrun ends those who wait."""
    try:
        return make(), None
    except DstoolkitError as error:
        return None, error


def _device() -> torch.device:
    nccl = distributed.get_backend() == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if nccl else torch.device("cpu")


def _attempt() -> str:
    """A name for this start of the processes, under which they leave each other their addresses.

    torchrun on one machine keeps its store over restarts: without it, a process may find the address of one that
    was killed and wait there for good. Launchers of several machines each count their own restarts, so there the
    count is no common name, and the store is used as it is.
    """
    alone = os.environ.get("GROUP_WORLD_SIZE", "1") == "1"
    name = f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}" if alone else "attempt"
    return f"{name}, world {next(worlds)}"  # nor is the address of a world that was left one to meet at


def several() -> bool:
    """Whether torchrun started this process as one of several."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def speaks() -> bool:
    """Whether this process is the only one or the first of several: the others would say the same."""
    return not several() or os.environ["RANK"] == "0"


def leave() -> None:
    """End this process, if it is one of several whose work is done, without taking the interpreter down first.

    gloo's threads free the last tensors they were given whenever they get to run. One that does so while the
    interpreter is taken down aborts the process, and torchrun reports a failure after all was well (pytorch #190489).
    """
    if several():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


@contextmanager
def world(device: str) -> Iterator[tuple[World, str]]:
    """Join the processes that torchrun started, if it did; yields this one's place and its device.

    On GPUs each process takes that of its local rank. What others than the first say in here is not shown, for they
    would all say the same; their errors are. Within another ``world`` it is that one.
    """
    if not several():
        yield World(), device
        return
    if joined:
        yield joined[-1], device
        return
    if device.startswith("cuda"):
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    store, rank, size = next(rendezvous("env://"))
    distributed.init_process_group(
        "nccl" if device.startswith("cuda") else "gloo",
        store=distributed.PrefixStore(_attempt(), store),  # type: ignore[attr-defined]
        rank=rank,
        world_size=size,
    )
    found = World(distributed.get_rank(), distributed.get_world_size(), store)
    joined.append(found)
    try:
        if found.main:
            yield found, device
        else:
            with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
                yield found, device
    finally:
        joined.remove(found)
        if sys.exc_info()[0] is None:  # after an error the others may wait elsewhere: torchrun ends them
            distributed.destroy_process_group()
