"""The filters against published formulas and the spectrum of the gammatone in time."""

from __future__ import annotations

import numpy as np
import pytest
from dstoolkit_gammatone import filterbank
from dstoolkit_gammatone.filterbank import Filterbank


@pytest.mark.parametrize(("hertz", "width"), [(0, 24.7), (100, 35.494), (1000, 132.639), (4000, 456.456)])
def test_bandwidths_are_those_of_glasberg_and_moore(hertz, width):
    """24.7 (4.37 f / 1000 + 1), by hand."""
    assert filterbank.erb(hertz) == pytest.approx(width, abs=1e-3)


@pytest.mark.parametrize(("hertz", "rate"), [(0, 0.0), (100, 3.3696), (1000, 15.6214), (8000, 33.2948)])
def test_erb_rates_are_those_of_glasberg_and_moore(hertz, rate):
    """21.4 log10(1 + 0.00437 f), by hand: 21.4 times the logarithms of 1.437, 5.37 and 35.96."""
    assert filterbank.to_erb_rate(hertz) == pytest.approx(rate, abs=1e-3)
    assert filterbank.to_hertz(rate) == pytest.approx(hertz, abs=1)


def test_an_erb_further_on_the_scale_is_an_erb_in_hertz():
    """What the scale is for; 21.4 is rounded, so to half a per cent."""
    hertz = np.array([50.0, 200.0, 1000.0, 5000.0])
    step = 0.01
    further = filterbank.to_hertz(filterbank.to_erb_rate(hertz) + step) - hertz
    assert further / step == pytest.approx(filterbank.erb(hertz), rel=5e-3)


@pytest.mark.parametrize(("count", "low", "high"), [(64, 50.0, 8000.0), (32, 100.0, 3800.0)])
def test_centres_are_slaneys(count, low, high):
    """Slaney (1993) writes them with the ear's quality factor and narrowest bandwidth; his come highest first."""
    quality, narrowest = 9.26449, 24.7
    offset = quality * narrowest
    step = (np.log(low + offset) - np.log(high + offset)) / count
    slaneys = -offset + np.exp(np.arange(1, count + 1) * step) * (high + offset)
    centres = Filterbank(count, low, high, nyquist=8000.0).centres()
    assert centres == pytest.approx(slaneys[::-1], rel=1e-4)
    assert centres[0] == pytest.approx(low)


@pytest.mark.parametrize("centre", [50.0, 300.0, 1000.0, 3500.0])
def test_weights_are_the_spectrum_of_the_gammatone_in_time(centre):
    """Of the impulse response of one second, sampled so finely that what folds back is nothing."""
    rate = 200_000  # Hz
    time = np.arange(rate) / rate
    width = 1.019 * 24.7 * (4.37 * centre / 1000 + 1)
    impulse = time**3 * np.exp(-2 * np.pi * width * time) * np.cos(2 * np.pi * centre * time)
    power = np.abs(np.fft.rfft(impulse)) ** 2  # at 0, 1, 2, ... Hz
    wanted = power[:8001] / power[round(centre)]
    found = filterbank.power_response(centre, np.arange(8001))
    assert found == pytest.approx(wanted, rel=1e-3, abs=1e-9)
    assert found[round(centre)] == pytest.approx(1.0)


@pytest.mark.parametrize("centre", [500.0, 1000.0, 4000.0])
def test_a_filters_equivalent_rectangle_is_one_erb_wide(centre):
    """What the factor 1.019 is for (Patterson et al. 1987); at low frequencies the response at -f adds to it."""
    area = filterbank.power_response(centre, np.arange(0, 40_000, 0.5)).sum() * 0.5
    assert area == pytest.approx(filterbank.erb(centre), rel=2e-3)


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.1])
def test_warped_filters_lie_at_factor_times_the_frequency(factor):
    bank = Filterbank(64, 50.0, 8000.0, nyquist=8000.0)
    places = bank.warped(np.arange(64), factor)
    centres = bank.centres()
    below = centres < 4000  # beyond the formants the warping bends towards half the sample rate
    read = np.interp(places, np.arange(64), centres)[below]
    assert read[1:] == pytest.approx(factor * centres[below][1:], rel=5e-3)


def test_few_filters_can_be_warped_below_the_first():
    """Cepstra read half a step below the first centre, here below 0 Hz."""
    bank = Filterbank(4, 50.0, 4000.0, nyquist=4000.0)
    assert bank.warped_cepstra(4, 1.0) == pytest.approx(np.eye(4), abs=1e-9)
    assert np.isfinite(bank.warped_cepstra(4, 1.2)).all()
