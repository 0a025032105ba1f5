"""The spectrogram against scipy's periodograms."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.errors import ConfigError
from dstoolkit.features.spectrogram import Spectrogram, SpectrogramConfig


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100])
def test_is_the_log_power_spectral_density(rate):
    samples = (np.random.default_rng(0).standard_normal(rate) / 10).astype(np.float32)
    config = SpectrogramConfig(max_frequency=1e9, floor=1e-14)
    length, shift = int(0.02 * rate), rate // 100
    _, _, power = scipy.signal.spectrogram(
        samples, rate, np.hanning(length), length, length - shift, detrend=False, scaling="density"
    )
    np.testing.assert_allclose(Spectrogram(config, rate).extract(samples), np.log(power.T + 1e-14), atol=1e-3)


@pytest.mark.parametrize(("rate", "limit", "dim"), [(16000, 8000.0, 161), (8000, 8000.0, 81), (16000, 4000.0, 81)])
def test_points_up_to_the_maximum_frequency(rate, limit, dim):
    extractor = Spectrogram(SpectrogramConfig(max_frequency=limit), rate)
    assert extractor.dim == dim
    assert extractor.extract(np.zeros(rate, np.float32)).shape == (99, dim)


def test_a_tone_stands_at_its_frequency():
    tone = np.sin(2 * np.pi * 1000 / 8000 * np.arange(8000)).astype(np.float32)
    found = Spectrogram(SpectrogramConfig(), 8000).extract(tone)
    assert (found.argmax(axis=1) == 1000 / 50).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2000))
def test_as_many_frames_as_promised(count):
    extractor = Spectrogram(SpectrogramConfig(), 8000)
    found = extractor.extract(np.zeros(count, np.float32))
    assert len(found) == extractor.num_frames(count)
    assert np.isfinite(found).all()


def test_refuses_impossible_options():
    for options in {"frame_shift": 0.03}, {"max_frequency": 0.0}, {"floor": 0.0}:
        with pytest.raises(ValueError, match=r"expected|must be"):
            SpectrogramConfig(**options)
    with pytest.raises(ConfigError, match="2 samples"):
        Spectrogram(SpectrogramConfig(), 100)
