"""How far an epoch has come: a bar on a terminal, a line a minute in a log file. Both on standard error.

Shown are the loss (smoothed over about the last 30 steps), frames per second of this run, and the time left of the
epoch and of the whole training, without its validations, where it has an end. A step's share of an epoch is the frames
it holds, not one of so many steps, because sorted batches differ in length.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import click
from tqdm import tqdm

log = logging.getLogger("dstoolkit")

LINE_EVERY = 60.0  # s, between two lines in a log file
MEMORY = 0.97  # of the smoothed loss, from one step to the next
BAR = "{desc} {percentage:3.0f}%|{bar}| {n}/{total}{postfix}"


class Progress:
    """The progress of epoch ``epoch`` of ``epochs`` (0: of no number), whose steps are of so many ``frames`` each.

    ``done`` steps of it were taken before, by a run that was stopped; ``later`` are the frames of the epochs after it.
    Use it in a ``with`` statement; ``clock`` gives seconds, ``left`` those after which the training ends whatever it
    has done, if there is such a time.
    """

    def __init__(
        self,
        epoch: int,
        epochs: int,
        frames: Sequence[int],
        done: int,
        later: float = 0,
        clock: Callable[[], float] = time.monotonic,
        left: Callable[[], float] = lambda: math.inf,
    ) -> None:
        self.name, self.clock, self.left = f"epoch {epoch}/{epochs}" if epochs else f"epoch {epoch}", clock, left
        self.steps, self.taken = len(frames), done
        self.due = sum(frames[done:])  # frames of this epoch, in this run
        self.later = later if epochs else math.inf
        self.loss, self.seen, self.frames = 0.0, 0, 0
        self.started = self.spoke = clock()
        self.bar: tqdm[Any] | None = None

    def __enter__(self) -> Progress:
        hidden = True if log.isEnabledFor(logging.DEBUG) else None  # by the lines of each step; None: no terminal
        self.bar = tqdm(
            total=self.steps, initial=self.taken, desc=self.name, leave=False, disable=hidden, bar_format=BAR
        )
        self.started = self.spoke = self.clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.close()

    def step(self, loss: float, frames: int) -> None:
        """One more step was taken, of this loss and so many frames; a loss that is not finite is not smoothed in."""
        self.taken, self.frames = self.taken + 1, self.frames + frames
        if math.isfinite(loss):
            self.seen += 1
            memory = min(MEMORY, 1 - 1 / self.seen)  # the plain mean of the first
            self.loss = memory * self.loss + (1 - memory) * loss
        now = self.clock()
        if self.bar is not None and not self.bar.disable:
            self.bar.set_postfix_str(self.state(now), refresh=False)
            self.bar.update()
        elif now - self.spoke >= LINE_EVERY:
            self.spoke = now
            click.echo(f"{self.name}  step {self.taken}/{self.steps}  {self.state(now)}", err=True)

    def state(self, now: float) -> str:
        """``loss 0.532  8500 frames/s  epoch 4:10 left  training 2:10:00 left``."""
        speed = self.frames / max(now - self.started, 1e-9)
        epoch = max(self.due - self.frames, 0)
        times = [frames / max(speed, 1e-9) for frames in (epoch, epoch + self.later)]
        ends = min(times[1], self.left())
        training = f"  training {clock_time(ends)} left" if math.isfinite(ends) else ""
        return f"loss {self.loss:.3f}  {speed:.0f} frames/s  epoch {clock_time(times[0])} left{training}"

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is done within takes no time off the steps, and may print above the bar."""
        began = self.clock()
        with tqdm.external_write_mode(file=sys.stdout):
            yield
        waited = self.clock() - began
        self.started, self.spoke = self.started + waited, self.spoke + waited


def clock_time(seconds: float) -> str:
    """``4:10``, ``2:10:00``, ``49:10:00``: minutes or hours, as a stop-watch shows them."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
