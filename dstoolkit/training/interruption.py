"""Ctrl-C and SIGTERM end a training after the step under way, so that what it saves is whole."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Within this context the first signal only sets ``wanted``; a second one interrupts at once.

    ``at_once()`` lets the first one interrupt too: for work that may stop anywhere.
    """

    def __init__(self) -> None:
        self.wanted = False
        self.immediate = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():  # Python lets no other handle signals
            self._before = {each: signal.signal(each, self._handle) for each in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.wanted or self.immediate:
            raise KeyboardInterrupt
        self.wanted = True

    def at_once(self) -> _AtOnce:
        return _AtOnce(self)


class _AtOnce:
    def __init__(self, interruption: Interruption) -> None:
        self.interruption = interruption

    def __enter__(self) -> None:
        self.interruption.immediate = True
        if self.interruption.wanted:
            raise KeyboardInterrupt

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.interruption.immediate = False
