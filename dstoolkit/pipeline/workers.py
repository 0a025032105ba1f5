"""A function over many items in several processes: results in the items' order, memory bounded, one thread each.

Processes are spawned, not forked, so that no lock, HDF5 handle or BLAS thread is inherited half-used. They never see
Ctrl-C, which the parent answers, and end with the parent, even one that was killed. With one job nothing is spawned,
unless it is to be ``apart``.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from dstoolkit.errors import DstoolkitError

AHEAD = 4  # items in flight per process: enough to keep each busy, few enough to keep memory flat
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

_function: Callable[[Any], Any]  # in a worker: what it was started for


def ordered_map(
    function: Callable[[Any], Any], items: Iterable[Any], jobs: int = 1, apart: bool = False, option: str = "--nj"
) -> Generator[Any, None, None]:
    """``function`` (picklable, sent once to each process) of each item, in order. Its exceptions are raised here.

    ``option`` is what the user says ``jobs`` by. Close the generator where it is not used up (``contextlib.closing``),
    so that its processes end at once.
    Raises DstoolkitError where a process ends by itself, killed for its memory, say.
    """
    if jobs == 1 and not apart:
        yield from map(function, items)
        return
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _start, (function,))
    try:
        yield from _in_flight(pool, items, jobs * AHEAD)
    except BrokenProcessPool as error:
        found = "a worker process ended unexpectedly"
        raise DstoolkitError(option, found, "", f"it may have run out of memory: lower {option}") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _in_flight(pool: ProcessPoolExecutor, items: Iterable[Any], ahead: int) -> Iterator[Any]:
    waiting: deque[Future[Any]] = deque()
    for item in items:
        with single_threaded(), interrupts_held():  # submitting may start a process
            waiting.append(pool.submit(_call, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Ctrl-C waits for the end of the block; processes started within never see it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Processes started within use one thread each for linear algebra."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _start(function: Callable[[Any], Any]) -> None:
    global _function
    _function = function
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _call(item: Any) -> Any:
    return _function(item)
