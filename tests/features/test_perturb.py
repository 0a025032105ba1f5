"""Perturbed audio: measured ratios and levels, scipy's convolution, and what is drawn how often."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.features.augment import Augment
from dstoolkit.features.perturb import Perturbation, amplify, fill, mix, reverberate

RATE = 16000
BOTH = Augment(speed=(0.9, 1.0, 1.1), volume=6.0, noise="noises", reverberation="rooms")


def noise(count, seed=0, level=0.1):
    return np.random.default_rng(seed).normal(0, level, count).clip(-1, 1).astype(np.float32)


def room(seed=0, before=40, after=4000):
    """An impulse response: something faint, then the direct path, then a decay."""
    tail = noise(after, seed) * np.exp(-np.arange(after) / 800).astype(np.float32)
    return np.concatenate([noise(before, seed, 0.01), [np.float32(1)], tail]).astype(np.float32)


def decibels(one, other):
    return 10 * np.log10(np.square(one, dtype=float).sum() / np.square(other, dtype=float).sum())


@settings(max_examples=30, deadline=None)
@given(st.floats(-10, 40), st.floats(0.001, 0.3), st.integers(10, 3000))
def test_the_ratio_is_the_one_asked_for(snr, level, count):
    signal, added = noise(count, 1), noise(count, 2, level)
    found = mix(signal, added, snr)
    assert found.dtype == np.float32
    rest = found.astype(float) - signal
    assert decibels(signal, rest) == pytest.approx(snr, abs=0.05)
    np.testing.assert_allclose(rest / np.abs(rest).max(), added / np.abs(added).max(), atol=5e-3)


def test_noise_for_silence_and_silence_for_noise_change_nothing():
    silence = np.zeros(100, np.float32)
    assert np.array_equal(mix(silence, noise(100), 10.0), silence)
    assert np.array_equal(mix(noise(100), silence, 10.0), noise(100))


@pytest.mark.parametrize(("count", "after"), [(16000, 4000), (500, 4000), (1, 7)])
def test_reverberation_is_scipys_convolution(count, after):
    samples, response = noise(count), room(after=after)
    found = reverberate(samples, response)
    wanted = scipy.signal.fftconvolve(samples.astype(float), response.astype(float))[40 : 40 + count]
    wanted *= np.sqrt(np.square(samples, dtype=float).sum() / np.square(wanted).sum())
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_reverberation_keeps_length_energy_and_onset():
    click = np.zeros(8000, np.float32)
    click[1000] = 0.5
    found = reverberate(click, room())
    assert len(found) == 8000
    assert decibels(found, click) == pytest.approx(0, abs=1e-3)
    assert np.abs(found).argmax() == 1000


def test_reverberation_by_one_path_changes_nothing():
    for response in ([0, 0, 1], [1], [0, -1, 0]):
        found = reverberate(noise(1000), np.array(response, np.float32))
        np.testing.assert_allclose(np.abs(found), np.abs(noise(1000)), atol=1e-6)
    assert np.array_equal(reverberate(noise(10), np.zeros(5, np.float32)), noise(10))
    assert not reverberate(np.zeros(10, np.float32), room()).any()


def test_volume_is_in_decibels_and_never_clips():
    quiet = noise(1000, level=0.01)
    assert decibels(amplify(quiet, 6.0), quiet) == pytest.approx(6, abs=1e-3)
    assert decibels(amplify(quiet, -20.0), quiet) == pytest.approx(-20, abs=1e-3)
    assert np.array_equal(amplify(quiet, 0.0), quiet)
    loud = amplify(quiet, 100.0)
    assert np.abs(loud).max() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(loud / loud.max(), quiet / quiet.max(), atol=1e-6)
    assert np.abs(amplify(3 * noise(1000, level=0.3), 0.0)).max() <= 1 + 1e-6
    assert not amplify(np.zeros(5, np.float32), 20.0).any()


def test_short_noise_is_repeated():
    assert fill(np.arange(3, dtype=np.float32), 7).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert fill(np.arange(9, dtype=np.float32), 2).tolist() == [0, 1]


def test_draws_are_spread_as_the_options_say():
    options = Augment(
        speed=(0.9, 1.0, 1.1),
        volume=6.0,
        noise="noises",
        noise_snr=(3.0, 9.0),
        noise_probability=0.25,
        reverberation="rooms",
        reverberation_probability=0.75,
    )
    drawn = [Perturbation.draw(options, 2, 5, np.random.default_rng([7, seed])) for seed in range(4000)]
    speeds = Counter(options.speeds(4000, np.random.default_rng(7)).tolist())
    assert speeds.keys() == {0.9, 1.0, 1.1}
    assert min(speeds.values()) > 1200
    noises = Counter(each.noise for each in drawn)
    assert noises.pop(None) == pytest.approx(3000, abs=150)
    assert set(noises) == set(range(5))
    assert Counter(each.response for each in drawn).pop(None) == pytest.approx(1000, abs=150)
    ratios = [each.snr for each in drawn if each.noise is not None]
    gains = [each.gain for each in drawn]
    places = [each.place for each in drawn if each.noise is not None]
    for values, low, high in (ratios, 3, 9), (gains, -6, 6), (places, 0, 1):
        assert low <= min(values) < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < max(values) <= high
    assert drawn[3] == Perturbation.draw(options, 2, 5, np.random.default_rng([7, 3]))


def test_nothing_asked_for_nothing_drawn():
    rng = np.random.default_rng(0)
    assert Perturbation.draw(Augment(), 0, 0, rng) == Perturbation()
    assert Augment().speeds(3, rng).tolist() == [1, 1, 1]
    assert rng.random() == np.random.default_rng(0).random()


def test_what_asks_for_audio():
    assert Augment().of_audio == []
    assert BOTH.of_audio == ["speed", "volume", "noise", "reverberation"]
    assert {name: str(path) for name, path in BOTH.inputs().items()} == {"noise": "noises", "reverberation": "rooms"}


@pytest.mark.parametrize(
    "options",
    [{"speed": (0.1,)}, {"volume": -1.0}, {"noise_snr": (9.0, 3.0)}, {"noise_probability": 1.5}],
)
def test_refuses_impossible_options(options):
    with pytest.raises(ValueError, match=r"expected|must not"):
        Augment(**options)
