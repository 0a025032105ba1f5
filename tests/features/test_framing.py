"""Framing and windows."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from dstoolkit.features import framing


@given(st.integers(0, 500), st.integers(2, 60), st.integers(1, 60), st.booleans())
def test_as_many_frames_as_promised(count, length, shift, snip_edges):
    shift = min(shift, length)
    cut = framing.frames(np.arange(count, dtype=np.float32), length, shift, snip_edges)
    assert cut.shape == (framing.num_frames(count, length, shift, snip_edges), length)


@given(st.integers(0, 500), st.integers(2, 60), st.integers(1, 60))
def test_snipped_frames_are_all_that_fit(count, length, shift):
    cut = framing.frames(np.arange(count, dtype=np.float32), length, shift)
    starts = [start for start in range(0, count, shift) if start + length <= count]
    assert cut[:, 0].tolist() == starts
    assert (np.diff(cut, axis=1) == 1).all()


def test_unsnipped_frames_are_mirrored_at_the_ends():
    cut = framing.frames(np.arange(6, dtype=np.float32), length=4, shift=2, snip_edges=False)
    assert cut.tolist() == [[0, 0, 1, 2], [1, 2, 3, 4], [3, 4, 5, 5]]


def test_a_frame_longer_than_the_signal_mirrors_it_again_and_again():
    cut = framing.frames(np.array([1, 2], np.float32), length=8, shift=2, snip_edges=False)
    assert cut.tolist() == [[2, 2, 1, 1, 2, 2, 1, 1]]


@pytest.mark.parametrize(
    ("kind", "name"),
    [("hamming", "hamming"), ("hann", "hann"), ("blackman", "blackman"), ("rectangular", "boxcar")],
)
@pytest.mark.parametrize("length", [2, 25, 400])
def test_windows_are_scipys_symmetric_ones(kind, name, length):
    expected = scipy.signal.get_window(name, length, fftbins=False)
    np.testing.assert_allclose(framing.window(kind, length), expected, atol=1e-6)


def test_other_windows():
    np.testing.assert_allclose(framing.window("povey", 5), [0, 0.5**0.85, 1, 0.5**0.85, 0], atol=1e-6)
    np.testing.assert_allclose(framing.window("sine", 3), [0, 1, 0], atol=1e-6)
    with pytest.raises(ValueError, match="povey"):
        framing.window("kaiser", 5)


@pytest.mark.parametrize(("seconds", "rate", "samples"), [(0.025, 16000, 400), (0.01, 44100, 441), (0.025, 11025, 275)])
def test_seconds_in_samples(seconds, rate, samples):
    assert framing.in_samples(seconds, rate) == samples
