"""Deltas against the regression formula and hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest

from dstoolkit.features.deltas import add_deltas


def regression(frames: np.ndarray) -> np.ndarray:
    """The HTK Book's formula with a window of 2, the ends repeated, frame by frame."""
    last, found = len(frames) - 1, np.zeros_like(frames)
    for at in range(len(frames)):
        for k in (1, 2):
            found[at] += k * (frames[min(at + k, last)] - frames[max(at - k, 0)]) / (2 * (1 + 4))
    return found


def test_a_ramp_has_its_slope_and_no_curvature():
    ramp = 3 * np.arange(20, dtype=np.float32)[:, None]
    found = add_deltas(ramp, 2)
    np.testing.assert_allclose(found[2:-2, 1], 3, rtol=1e-6)
    np.testing.assert_allclose(found[4:-4, 2], 0, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 5, 40])
def test_first_order_is_the_regression(count):
    frames = np.random.default_rng(0).standard_normal((count, 3)).astype(np.float32)
    np.testing.assert_allclose(add_deltas(frames, 1), np.hstack([frames, regression(frames)]), atol=1e-6)


def test_second_order_is_the_regression_of_the_first_within():
    frames = np.random.default_rng(1).standard_normal((30, 3)).astype(np.float32)
    twice = regression(regression(frames))
    np.testing.assert_allclose(add_deltas(frames, 2)[2:-2, 6:], twice[2:-2], atol=1e-6)


def test_an_impulse_gives_the_filter():
    impulse = np.zeros((9, 1), np.float32)
    impulse[4] = 1
    found = add_deltas(impulse, 2)
    np.testing.assert_allclose(found[:, 1] * 10, [0, 0, 2, 1, 0, -1, -2, 0, 0], atol=1e-6)
    np.testing.assert_allclose(found[:, 2] * 100, [4, 4, 1, -4, -10, -4, 1, 4, 4], atol=1e-5)


def test_no_order_and_no_frames():
    frames = np.ones((4, 2), np.float32)
    assert np.array_equal(add_deltas(frames, 0), frames)
    assert add_deltas(np.empty((0, 2), np.float32), 2).shape == (0, 6)
