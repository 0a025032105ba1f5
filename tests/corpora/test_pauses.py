"""Pauses in made recordings whose words lie where they were put."""

from __future__ import annotations

import numpy as np
import pytest

from dstoolkit.corpora import pauses

RATE = 8000


def recording(words: list[float], gaps: list[float], noise: float = 0.003) -> np.ndarray:
    """Tones of so many seconds with so long pauses before, between and after them, in a little noise."""
    rng = np.random.default_rng(0)
    parts = [np.zeros(round(gaps[0] * RATE))]
    for seconds, gap in zip(words, gaps[1:], strict=True):
        time = np.arange(round(seconds * RATE)) / RATE
        parts += [0.3 * np.sin(2 * np.pi * 300 * time), np.zeros(round(gap * RATE))]
    clean = np.concatenate(parts)
    return (clean + noise * rng.normal(size=len(clean))).astype(np.float32)


def test_begin_and_end_of_the_pauses():
    words, gaps = [0.3, 0.4, 0.35, 0.3], [0.5, 0.4, 0.6, 0.5, 0.4]
    found = pauses.find(recording(words, gaps), RATE, 4) or []
    expected, at = [], gaps[0]
    for word, gap in zip(words[:-1], gaps[1:-1], strict=True):
        expected.append((at + word, at + word + gap))
        at += word + gap
    for pause, (begin, end) in zip(found, expected, strict=True):
        assert pause == (pytest.approx(begin, abs=0.05), pytest.approx(end, abs=0.05))


@pytest.mark.parametrize("count", [3, 5])
def test_another_number_of_words_is_not_found(count):
    assert pauses.find(recording([0.3] * 4, [0.5] * 5), RATE, count) is None


def test_words_run_together_are_not_taken_for_one():
    assert pauses.find(recording([0.3, 0.3, 0.95, 0.3], [0.5] * 5), RATE, 4) is None


def test_silence_has_no_words():
    assert pauses.find(np.zeros(RATE, np.float32), RATE, 2) is None
