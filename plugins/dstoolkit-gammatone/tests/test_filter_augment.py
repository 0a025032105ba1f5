"""``filter_augment``: the contract kit, its gains recovered from log energies, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from dstoolkit_gammatone.augmentation import FilterAugment, FilterAugmentConfig
from dstoolkit_gammatone.features import Gammatone, GammatoneConfig

from dstoolkit import config, plugins
from dstoolkit.config import Choice
from dstoolkit.data.archive import Archive
from dstoolkit.errors import ConfigError
from dstoolkit.features.augment import Augment
from dstoolkit.features.cmvn import Cmvn
from dstoolkit.pipeline import extraction, heard
from dstoolkit.testing import Subject, corpus, parametrize_with_checks

RATE = 16000  # Hz
FEATURES = Gammatone(GammatoneConfig(), RATE)  # 64 filters
OPTIONS = [{}, {"bands": (1, 1), "gain": (-20.0, 0.0)}, {"bands": (5, 9), "min_width": 7}]


@parametrize_with_checks([Subject(FilterAugment, FilterAugmentConfig(**options)) for options in OPTIONS])
def test_contract(check):
    check()


def gains(seed: int, frames: int = 20, **options) -> np.ndarray:
    """``(num_filters,)`` dB, from the difference of log energies; the same in all frames."""
    values = np.random.default_rng(99).normal(10, 3, (frames, FEATURES.dim)).astype(np.float32)
    made = FilterAugment(FilterAugmentConfig(**options), FEATURES, RATE)
    difference = made(values, np.random.default_rng(seed)).astype(np.float64) - values
    assert np.ptp(difference, axis=0).max() < 1e-5
    return difference.mean(axis=0) * 10 / np.log(10)


def corners(curve: np.ndarray) -> np.ndarray:
    """The filters at which a curve of straight lines changes its slope."""
    return np.flatnonzero(np.abs(np.diff(curve, 2)) > 1e-3) + 1


@pytest.mark.parametrize("gain", [(-6.0, 6.0), (-20.0, 0.0), (3.0, 3.0)])
def test_gains_lie_in_their_range_and_fill_it(gain):
    found = np.stack([gains(seed, gain=gain) for seed in range(200)])
    assert found.min() >= gain[0] - 1e-4
    assert found.max() <= gain[1] + 1e-4
    assert np.ptp(found) >= 0.95 * (gain[1] - gain[0])
    assert found.mean() == pytest.approx(sum(gain) / 2, abs=0.05 * (gain[1] - gain[0]) + 1e-4)


def test_gains_are_straight_lines_over_as_many_bands_as_asked_for():
    """A corner may be too slight to be seen, so few utterances show fewer."""
    counts = [len(corners(gains(seed))) + 1 for seed in range(200)]
    assert max(counts) == 6
    assert min(counts) >= 2
    assert sum(count < 3 for count in counts) <= 4
    assert {3, 4, 5, 6} <= set(counts)


@pytest.mark.parametrize("width", [1, 5, 10])
def test_no_band_is_narrower_than_asked_for(width):
    narrowest = 63
    for seed in range(200):
        ends = [0, *corners(gains(seed, bands=(6, 6), min_width=width)), 63]
        narrowest = min(narrowest, int(np.diff(ends).min()))
    assert narrowest == width


def test_louder_audio_of_one_band_is_the_same_as_its_gain():
    """A gain of 6 dB is what twice the amplitude (6.02 dB) gives."""
    samples = np.random.default_rng(0).normal(0, 0.05, RATE).astype(np.float32)
    plain, louder = FEATURES.extract(samples), FEATURES.extract(2 * samples)
    flat = FilterAugment(FilterAugmentConfig(bands=(1, 1), gain=(6.0206, 6.0206)), FEATURES, RATE)
    assert flat(plain, np.random.default_rng(0)) == pytest.approx(louder, abs=1e-4)


def source(folder, augment, **features):
    """What a training hears of an archive of the synthetic corpus, in ``folder``, not normalised."""
    data = corpus.write(folder, {"train": 3})["train"]
    extraction.extract(data, Choice(features.pop("name", "gammatone"), features), extraction.Options())
    masks = {"frequency_masks": 0, "time_masks_per_second": 0.0, "stretch": 0.0}
    options = config.build(Augment, {**masks, **augment}, "x.yaml: augment")
    return heard.source(Archive(data / "features.h5"), data, Cmvn("none"), options)


def test_a_training_hears_an_utterance_with_other_gains_each_time(tmp_path):
    chosen = {"plugins": [{"name": "filter_augment", "gain": [-4.0, 4.0]}]}
    made = source(tmp_path, chosen, num_filters=40)
    differences = [made.frames(0, np.random.default_rng(seed))[0] - made.plain(0) for seed in range(3)]
    assert all(np.ptp(each, axis=0).max() < 1e-4 for each in differences)
    curves = np.stack([each[0] * 10 / np.log(10) for each in differences])
    assert curves.shape == (3, 40)
    assert np.abs(curves).max() <= 4 + 1e-4
    assert min(np.abs(np.diff(curves, axis=0)).max(axis=1)) > 0.5


def test_a_training_on_other_features_is_refused(tmp_path):
    chosen = {"plugins": ["filter_augment"]}
    with pytest.raises(ConfigError, match=r"augment.plugins\[0\]: .* is for features 'gammatone'; .* has others"):
        source(tmp_path / "fbank", chosen, name="fbank")
    with pytest.raises(ConfigError, match="nonlinearity 'power'"):
        source(tmp_path / "power", chosen, nonlinearity="power")


def test_installed_under_its_name():
    assert plugins.load().get("augmentations", "filter_augment") is FilterAugment


@pytest.mark.parametrize(
    ("made", "found"),
    [({"nonlinearity": "power"}, "nonlinearity 'power' and cepstra 0"), ({"cepstra": 13}, "'log' and cepstra 13")],
)
def test_other_values_than_log_energies_are_refused(made, found):
    with pytest.raises(ConfigError, match=f"{found}; expected log energies; extract with nonlinearity 'log'"):
        FilterAugment(FilterAugmentConfig(), Gammatone(GammatoneConfig(**made), RATE), RATE)


def test_more_bands_than_the_filters_hold_are_refused():
    few = Gammatone(GammatoneConfig(num_filters=18), RATE)
    with pytest.raises(ConfigError, match="6 bands of min_width 3 between 18 filters; expected 19 filters or more"):
        FilterAugment(FilterAugmentConfig(), few, RATE)
    just = Gammatone(GammatoneConfig(num_filters=19), RATE)
    curve = FilterAugment(FilterAugmentConfig(bands=(6, 6)), just, RATE).gains(19, np.random.default_rng(0))
    assert set(corners(curve)) <= {3, 6, 9, 12, 15}


@pytest.mark.parametrize(
    "options",
    [
        {"bands": [0, 3]},
        {"bands": [4, 3]},
        {"gain": [1.0, -1.0]},
        {"gain": [float("-inf"), 0.0]},
        {"gain": [float("nan"), 0.0]},
        {"min_width": 0},
    ],
)
def test_senseless_options_are_refused(options):
    with pytest.raises(ConfigError, match=rf"augment.plugins\[0\]: {next(iter(options))} is"):
        config.build(FilterAugmentConfig, options, "augment.plugins[0]")
