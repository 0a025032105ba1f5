"""What Numba's CUDA simulator lacks for the kernels of the CTC loss: warps, and a scheduler that does not poll.

The simulator runs each thread of a block as a thread of Python and wakes them from a busy loop. Here one thread runs at
a time, until it ends or has to wait, and hands over to the next: less work, and the same at every run. Imported only
where ``NUMBA_ENABLE_CUDASIM`` is set.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numba.cuda.simulator import kernel

WARP = 4  # lanes: small cases cross warps
BLOCK = -1  # the group of all threads of a block; other groups are numbers of warps


def _closed() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


class Baton(kernel.BlockManager):
    """The threads of one block, of which only the one that holds the baton runs."""

    def run(self, grid_point: tuple[int, ...], *arguments: Any) -> None:
        points = list(np.ndindex(*self._block_dim))
        create: Any = kernel.BlockThread
        self.threads: list[Any] = [
            create(self._whole(arguments), self, grid_point, point, self._debug) for point in points
        ]
        self.threads.sort(key=lambda thread: thread.thread_id)
        self.waiting: dict[int, int] = {}  # thread -> group
        self.live = set(range(len(self.threads)))
        self.batons = [_closed() for _ in self.threads]
        self.slots: dict[Any, Any] = {}
        self.over = _closed()
        for thread in self.threads:
            thread.start()
        self.batons[0].release()
        self.over.acquire()
        for thread in self.threads:
            if thread.exception:
                raise thread.exception[0].with_traceback(thread.exception[1])

    def _whole(self, arguments: tuple[Any, ...]) -> Any:
        def target() -> None:
            own: Any = threading.current_thread()
            self.batons[own.thread_id].acquire()
            try:
                self._f(*arguments)
            finally:
                self.live.discard(own.thread_id)
                self._open(BLOCK)
                self._open(own.thread_id // WARP)
                self._pass_on(own.thread_id)

        return target

    def wait(self, own: int, group: int) -> None:
        """Returns when every live thread of the group has come here."""
        self.waiting[own] = group
        self._open(group)
        self._pass_on(own)
        self.batons[own].acquire()

    def _open(self, group: int) -> None:
        members = [each for each in self.live if group in (BLOCK, each // WARP)]
        if all(self.waiting.get(each) == group for each in members):
            for each in members:
                del self.waiting[each]

    def _pass_on(self, own: int) -> None:
        ready = sorted(self.live - self.waiting.keys(), key=lambda each: (each <= own, each))
        if ready:
            self.batons[ready[0]].release()
        else:  # the end, or threads that wait for each other: those stay behind
            if self.live:
                self.threads[own].exception = (RuntimeError("the block's threads wait for different barriers"), None)
            self.over.release()


def _sync_threads(self: Any) -> None:
    self._manager.wait(self.thread_id, BLOCK)


setattr(kernel, "BlockManager", Baton)  # noqa: B010 (mypy lets no class be replaced)
setattr(kernel.BlockThread, "syncthreads", _sync_threads)  # noqa: B010


def exchange(values: Any, source: Any) -> Any:
    """Every lane of a warp gives values and gets those of the lane ``source(lane)``, its own where that is none."""
    thread: Any = threading.current_thread()
    manager, own = thread._manager, thread.thread_id
    turn, lane = getattr(thread, "turn", 0), own % WARP
    thread.turn = 1 - turn
    manager.slots[turn, own] = values
    manager.wait(own, own // WARP)
    other = source(lane)
    return manager.slots[turn, own - lane + other if 0 <= other < WARP else own]


def from_lane_below(mantissa: Any, rest: Any, exponent: Any) -> Any:
    return exchange((mantissa, rest, exponent), lambda lane: lane - 1)


def from_lane_across(number: Any, mask: int) -> Any:
    return exchange(number, lambda lane: lane ^ mask)


def sync_warp() -> None:
    exchange(None, lambda lane: lane)
