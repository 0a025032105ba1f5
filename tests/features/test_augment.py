"""Augmentation: bounds, repeatability, and that each part does what its name says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.errors import ConfigError
from dstoolkit.features.augment import Augment, between, hide_bands, spread
from dstoolkit.features.fbank import Fbank, FbankConfig
from dstoolkit.features.mfcc import Mfcc, MfccConfig
from dstoolkit.features.precomputed import Precomputed, PrecomputedConfig

OFF = Augment(frequency_masks=0, time_masks_per_second=0.0, stretch=0.0)
SHIFT = 0.01  # s


def ones(count, dim=40):
    return np.ones((count, dim), np.float32)


def apply(augment, frames, seed=0):
    return augment.apply(frames, np.random.default_rng(seed), SHIFT)


def runs(hidden):
    """Lengths of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], hidden, [False]]).astype(int)))
    return edges[1::2] - edges[::2]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 400), st.integers(1, 80), st.integers(0, 2**32 - 1))
def test_default_keeps_shape_type_and_input(count, dim, seed):
    frames = ones(count, dim)
    found = apply(Augment(), frames, seed)
    assert found.dtype == np.float32
    assert found.shape[1] == dim
    assert count / 1.12 - 1 <= len(found) <= count / 0.88 + 1
    assert len(found) > 0
    assert (frames == 1).all()
    assert np.array_equal(found, apply(Augment(), frames, seed))


def test_everything_off_changes_nothing():
    frames = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
    found = apply(OFF, frames)
    assert np.array_equal(found, frames)
    assert found is not frames


def test_frequency_masks():
    augment = dataclasses.replace(OFF, frequency_masks=1, frequency_width=6)
    widths = []
    for seed in range(300):
        found = apply(augment, ones(20), seed)
        hidden = (found == 0).all(axis=0)
        assert (found[:, ~hidden] == 1).all()
        widths.append(int(hidden.sum()))
        assert len(runs(hidden)) <= 1
    assert set(widths) == set(range(7))
    assert np.mean(widths) == pytest.approx(3, abs=0.4)


def test_time_masks_grow_with_the_utterance():
    augment = dataclasses.replace(OFF, time_masks_per_second=1.0, time_width=0.2)
    hidden = {
        count: np.mean([(apply(augment, ones(count), seed) == 0).all(axis=1).sum() for seed in range(300)])
        for count in (50, 1000)
    }
    assert hidden[50] == pytest.approx(10, rel=0.15)  # one mask of 0 to 20 frames
    assert hidden[1000] == pytest.approx(100, rel=0.15)  # ten, which rarely overlap
    assert max(runs((apply(augment, ones(99), 1) == 0).all(axis=1)), default=0) <= 20


def test_stretch_spreads_evenly():
    augment = dataclasses.replace(OFF, stretch=0.1)
    lengths = [len(apply(augment, ones(1000), seed)) for seed in range(300)]
    assert 900 < min(lengths) < 930
    assert 1080 < max(lengths) < 1112


def test_tempo_stands_for_stretch_where_the_factors_are_not_even():
    augment = dataclasses.replace(OFF, stretch=0.1, tempo=(0.8, 1.6))
    factors = 800 / np.asarray([len(apply(augment, ones(800, 1), seed)) for seed in range(400)])
    assert 0.8 - 1e-3 <= factors.min() < 0.83
    assert 1.57 < factors.max() <= 1.6 + 3e-3
    assert factors.mean() == pytest.approx(1.2, abs=0.05)
    half = apply(dataclasses.replace(OFF, tempo=(2.0, 2.0)), np.arange(9, dtype=np.float32)[:, None])
    assert half.ravel().tolist() == pytest.approx([0, 8 / 3, 16 / 3, 8])


def test_a_tempo_that_was_drawn_before_is_kept_to():
    augment = dataclasses.replace(OFF, stretch=0.2)
    tempos = augment.tempos(50, np.random.default_rng(0))
    assert tempos.min() >= 0.8
    assert tempos.max() <= 1.2
    assert len(set(tempos.tolist())) == 50
    for tempo in tempos.tolist():
        assert len(augment.apply(ones(100), np.random.default_rng(1), SHIFT, tempo)) == round(100 / tempo)
    assert OFF.tempos(3, np.random.default_rng(0)).tolist() == [1, 1, 1]


def test_stretching_a_ramp_gives_a_ramp():
    ramp = np.arange(10, dtype=np.float32)[:, None]
    np.testing.assert_allclose(between(ramp, spread(10, 19))[:, 0], np.arange(19) / 2, atol=1e-6)
    assert np.array_equal(between(ramp, spread(10, 10)), ramp)
    assert between(ramp, spread(10, 1)).shape == (1, 1)
    assert np.array_equal(between(ramp[:1], spread(1, 3)), np.zeros((3, 1)))


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 400), st.floats(0.001, 5.0), st.integers(0, 2**32 - 1))
def test_time_warp_moves_the_inside_and_keeps_ends_and_order(count, reach, seed):
    ramp = np.arange(count, dtype=np.float32)[:, None]
    found = apply(dataclasses.replace(OFF, time_warp=reach), ramp, seed)[:, 0]
    assert len(found) == count
    assert (found[0], found[-1]) == (0, count - 1)
    assert (np.diff(found) >= 0).all()
    assert np.abs(found - ramp[:, 0]).max() <= reach / SHIFT + 1e-3


def test_time_warp_reaches_as_far_as_it_says():
    ramp = np.arange(400, dtype=np.float32)[:, None]
    augment = dataclasses.replace(OFF, time_warp=0.4)
    moved = [(apply(augment, ramp, seed) - ramp).ravel() for seed in range(200)]
    assert max(each.max() for each in moved) > 36
    assert min(each.min() for each in moved) < -36


def test_time_masks_hide_no_more_than_their_share():
    augment = dataclasses.replace(OFF, time_masks_per_second=1.0, time_width=1.0, time_share=0.1)
    hidden = [int((apply(augment, ones(50), seed) == 0).all(axis=1).sum()) for seed in range(100)]
    assert set(hidden) == set(range(6))  # one mask: 0 to 5 of 50 frames


def test_refuses_impossible_options():
    for options in (
        {"frequency_masks": -1},
        {"time_width": -0.1},
        {"stretch": 0.6},
        {"tempo": (0.9,)},
        {"tempo": (1.2, 0.9)},
        {"tempo": (0.4, 1.0)},
        {"stretch": -0.1},
        {"time_share": 0},
    ):
        with pytest.raises(ValueError, match=r"expected|must not"):
            Augment(**options)


@pytest.mark.parametrize(
    "features", [Mfcc(MfccConfig(deltas=2, use_energy=False), 16000), Precomputed(PrecomputedConfig(deltas=1))]
)
def test_a_hidden_band_of_cepstra_is_flat_in_the_spectrum(features):
    """Smooth spectra by the inverse cosine transform: 0 within the band, as they were outside, up to its edges."""
    size = features.config.num_ceps if isinstance(features, Mfcc) else features.config.dim
    rng = np.random.default_rng(0)
    deviation = np.zeros(features.dim)
    deviation[:4] = rng.normal(size=4)
    matrix = features.masking(0.3, 0.6)
    assert matrix.shape == (features.dim, features.dim)
    assert np.allclose(features.masking(0.4, 0.4), np.eye(features.dim), atol=1e-3)
    assert not matrix[:size, size:].any()
    whole = features.masking(0.0, 1.0)
    assert np.allclose(whole, 0, atol=1e-6)
    # both halves together are the whole: masks of [0, a) and [a, 1) leave complementary parts
    parts = features.masking(0.0, 0.37) + features.masking(0.37, 1.0)
    assert np.allclose(parts @ deviation, deviation, atol=1e-3)


def test_bands_are_hidden_by_the_seed_and_keep_the_mean():
    features = Precomputed(PrecomputedConfig(deltas=2))
    frames = np.random.default_rng(0).normal(3, 1, (200, 39)).astype(np.float32)
    hidden = [hide_bands(frames, 2, 0.3, features, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert np.array_equal(hidden[0], hidden[1])
    assert not np.allclose(hidden[0], hidden[2])
    assert hidden[0].dtype == np.float32
    np.testing.assert_allclose(hidden[0].mean(axis=0), frames.mean(axis=0), atol=1e-4)
    assert 0.3 < hidden[0].var() / frames.var() < 1.0


def test_features_without_cepstra_are_refused():
    with pytest.raises(ConfigError, match=r"augment\.band_masks: features 'fbank' are no cepstra"):
        hide_bands(ones(9), 1, 0.2, Fbank(FbankConfig(), 16000), np.random.default_rng(0))
