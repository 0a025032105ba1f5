"""Cutting a long file's outputs at pauses, so that a decoder gets stretches that bound its memory.

Greedily, within the last two thirds of what a stretch may have: it ends in the middle of the longest pause there.
A pause is a run of frames whose likeliest token is the blank or a space, that holds a space, or comes before a piece
that begins a word, or lasts half a second. Where there is none, the longest run of blanks has to do, and without one
the frame that is most likely a blank. A file that is no longer than one stretch is never cut: its text is what
``dstoolkit decode`` gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dstoolkit.decoding.words import WORD_MARK
from dstoolkit.interfaces import BLANK

PAUSE = 0.5  # seconds of blanks that count as a pause, whatever is spelled around them
EARLIEST = 1 / 3  # of the longest stretch: no cut before


class Stretch(NamedTuple):
    """``log_probs`` ``(frames, vocab)`` from output frame ``start`` of the file on."""

    start: int
    log_probs: Tensor


class Cutter:
    """Takes outputs piece by piece and gives stretches of at most ``longest`` frames; ``finish`` gives the last."""

    def __init__(self, longest: int, tokens: Sequence[str], frame_shift: float) -> None:
        self.longest, self.pause = longest, round(PAUSE / frame_shift)
        self.spaces = np.array([each == " " for each in tokens])
        self.beginnings = np.array([each.startswith(WORD_MARK) for each in tokens])
        self.start, self.held = 0, torch.empty(0, len(tokens))

    def add(self, log_probs: Tensor) -> list[Stretch]:
        self.held = torch.cat([self.held, log_probs])
        found = []
        while len(self.held) > self.longest:
            at = self._cut()
            found.append(Stretch(self.start, self.held[:at]))
            self.start, self.held = self.start + at, self.held[at:]
        return found

    def finish(self) -> Stretch:
        return Stretch(self.start, self.held)

    def _cut(self) -> int:
        """The frame that begins the next stretch."""
        window = self.held[: self.longest + 1]
        best = window.argmax(dim=1).numpy()
        first = max(1, int(self.longest * EARLIEST))
        runs = [each for each in self._runs(best) if first <= sum(each) // 2 <= self.longest]
        if not runs:
            return first + int(window[first : self.longest + 1, BLANK].argmax())
        begin, end = max(runs, key=lambda each: (self._is_pause(best, *each), each[1] - each[0]))
        return (begin + end) // 2

    def _runs(self, best: np.ndarray) -> list[tuple[int, int]]:
        """First frame and the one after the last of each run of blanks and spaces."""
        quiet = np.concatenate([[False], (best == BLANK) | self.spaces[best], [False]])
        borders = np.flatnonzero(quiet[1:] != quiet[:-1]).tolist()
        return list(zip(borders[::2], borders[1::2], strict=True))

    def _is_pause(self, best: np.ndarray, begin: int, end: int) -> bool:
        if end - begin >= self.pause or self.spaces[best[begin:end]].any():
            return True
        return end < len(best) and bool(self.beginnings[best[end]])
