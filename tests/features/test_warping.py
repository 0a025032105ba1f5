"""Vocal tract length perturbation, against direct computation on densely sampled spectra."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.fft
import scipy.integrate

from dstoolkit.errors import ConfigError
from dstoolkit.features import warping
from dstoolkit.features.augment import STEPS, Augment
from dstoolkit.features.fbank import Fbank, FbankConfig
from dstoolkit.features.mel import MelScale, to_hertz, to_mel
from dstoolkit.features.mfcc import Mfcc, MfccConfig, cepstral_transform
from dstoolkit.features.precomputed import Precomputed, PrecomputedConfig
from dstoolkit.features.spectrogram import Spectrogram, SpectrogramConfig
from dstoolkit.interfaces import Features

RATE = 16000
FACTORS = [0.8, 0.93, 1.0, 1.1, 1.2]
KINDS = {
    "spectrogram": Spectrogram(SpectrogramConfig(), RATE),
    "fbank": Fbank(FbankConfig(), RATE),
    "mfcc": Mfcc(MfccConfig(deltas=2), RATE),
    "precomputed": Precomputed(PrecomputedConfig(deltas=2)),
}


def formants(hertz):
    """A smooth log spectrum with three formants, all below the warp's knee."""
    return sum(np.exp(-0.5 * ((hertz - formant) / 250) ** 2) for formant in (500, 1500, 2500))


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("nyquist", [4000, 8000])
def test_warp_is_piecewise_linear_as_published(factor, nyquist):
    """Jaitly and Hinton's equation, written out."""
    formant, half = min(4800, 0.8 * nyquist), nyquist
    edge = formant * min(factor, 1)
    for hertz in np.linspace(0, nyquist, 33):
        straight = half - (half - edge) / (half - edge / factor) * (half - hertz)
        wanted = hertz * factor if hertz <= edge / factor else straight
        assert warping.warped(hertz, factor, nyquist) == pytest.approx(wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_factor_one_changes_nothing(kind):
    features = KINDS[kind]
    np.testing.assert_allclose(features.warping(1.0), np.eye(features.dim), atol=1e-5)


@pytest.mark.parametrize("factor", FACTORS)
def test_bins_move_as_formants_do(factor):
    """A spectrogram and a filterbank of three formants become those of the formants moved."""
    hertz = np.arange(161) * 50.0
    np.testing.assert_allclose(
        KINDS["spectrogram"].warping(factor) @ formants(hertz), formants(hertz * factor), atol=1e-2
    )
    scale = KINDS["fbank"].analysis.scale
    centres = to_hertz(scale.start + scale.step * np.arange(1, 81))
    assert centres[-1] == pytest.approx(to_hertz(to_mel(8000) - scale.step))
    np.testing.assert_allclose(
        KINDS["fbank"].warping(factor) @ formants(centres), formants(centres * factor), atol=3e-2
    )


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("lifter", [0.0, 22.0])
def test_cepstra_move_as_formants_do(factor, lifter):
    """All coefficients of 40 bins lose nothing, so the warped cepstra are those of the warped bins."""
    config = MfccConfig(num_mel_bins=40, num_ceps=40, cepstral_lifter=lifter, use_energy=False, low_frequency=100)
    features = Mfcc(config, RATE)
    scale, transform = features.analysis.scale, cepstral_transform(40, 40, lifter).astype(np.float64)
    centres = to_hertz(scale.start + scale.step * np.arange(1, 41))
    bins = np.linalg.inv(transform) @ features.warping(factor) @ transform @ formants(centres)
    wanted = formants(centres * factor)
    np.testing.assert_allclose(bins[1:], wanted[1:], atol=3e-2)  # the first reaches below the filterbank


def test_cosine_series_is_pitz_and_neys_integral():
    """Row n, column k: the integral of cos(n w) cos(k g(w)), scaled; here for a straight warp, by quadrature."""
    angles = (np.arange(warping.POINTS) + 0.5) * np.pi / warping.POINTS
    found = warping.cosine_series(angles, 0.9 * angles, 13)
    for n in range(13):
        for k in range(13):
            area, _ = scipy.integrate.quad(lambda w, n=n, k=k: np.cos(n * w) * np.cos(k * 0.9 * w), 0, np.pi)
            scale = np.sqrt((1 + (n > 0)) * (1 + (k > 0))) / np.pi
            assert found[n, k] == pytest.approx(scale * area, abs=2e-4)


def test_precomputed_cepstra_are_sphinxs():
    """Sphinx's coefficients: the mean of the logarithms times the cosines, half of it for the first."""
    scale = MelScale(40, 133.33334, 6855.4976, 8000)
    bins, order = np.arange(40), np.arange(13)[:, None]
    sphinx = np.cos(np.pi * order * (bins + 0.5) / 40) / 40 * np.where(order, 1, 0.5)
    logs = np.random.default_rng(0).standard_normal(13) @ scipy.fft.idct(np.eye(13, 40), axis=1, norm="ortho")
    series = scipy.fft.dct(logs, norm="ortho")[:13]
    places = (scale.warped(np.linspace(-0.5, 39.5, 4001), 1.1) + 0.5) * np.pi / 40
    weights = np.sqrt(np.where(np.arange(13), 2, 1) / 40)
    dense = np.cos(np.multiply.outer(places, np.arange(13))) @ (weights * series)
    angles = np.linspace(0, np.pi, 4001)
    wanted = [scipy.integrate.simpson(dense * np.cos(n * angles), x=angles) / np.pi for n in range(13)]
    wanted[0] /= 2
    found = Precomputed(PrecomputedConfig()).warping(1.1) @ sphinx @ logs
    np.testing.assert_allclose(found, wanted, atol=2e-4)


def test_energy_is_left_alone():
    for features in Fbank(FbankConfig(use_energy=True), RATE), KINDS["mfcc"]:
        matrix = features.warping(1.1)
        assert np.array_equal(matrix[0], np.eye(features.dim)[0])
        assert np.abs(matrix[1:, 0]).max() < 1e-6


def test_deltas_are_warped_like_what_they_derive_from():
    from dstoolkit.features.deltas import add_deltas

    frames = np.random.default_rng(0).standard_normal((50, 13)).astype(np.float32)
    one, all_ = Precomputed(PrecomputedConfig()).warping(0.9), KINDS["precomputed"].warping(0.9)
    np.testing.assert_allclose(add_deltas(frames, 2) @ all_.T, add_deltas(frames @ one.T, 2), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_warper_draws_evenly_and_repeatably(kind):
    features = KINDS[kind]
    warper = pickle.loads(pickle.dumps(Augment(vtlp=0.2).warper(features)))
    frames = np.random.default_rng(1).standard_normal((30, features.dim)).astype(np.float32)
    wanted = {step: frames @ features.warping(0.8 + 0.4 * step / STEPS).T for step in range(STEPS + 1)}
    seen = set()
    for seed in range(400):
        found = warper.apply(frames, np.random.default_rng(seed))
        assert found.dtype == np.float32
        assert np.array_equal(found, warper.apply(frames, np.random.default_rng(seed)))
        seen |= {step for step, each in wanted.items() if np.allclose(found, each, atol=1e-4)}
    assert seen == set(wanted)


def divergence(one, other):
    """Between two normal distributions, each a mean and a covariance: Kullback and Leibler's, both ways, in nats."""
    (mean, covariance), (other_mean, other_covariance) = one, other
    apart = mean - other_mean
    inverses = np.linalg.inv(covariance), np.linalg.inv(other_covariance)
    traces = np.trace(inverses[1] @ covariance) + np.trace(inverses[0] @ other_covariance)
    return 0.5 * (traces - 2 * len(mean) + apart @ (inverses[0] + inverses[1]) @ apart)


def test_women_sound_like_men_by_a_factor_above_one(corpora):
    """Women's vocal tracts are shorter by a tenth to a sixth: read at higher frequencies, their spectra are men's.

    AN4's speakers begin with 'f' or 'm'; loud frames are mostly vowels.
    """
    features = Precomputed(PrecomputedConfig(mean_removal="utterance"))
    frames = {"f": [], "m": []}
    for path in sorted((corpora / "an4/feat").rglob("*.mfc")):
        frames[path.parent.name[0]].append(features.load(str(path)))
    loud = {sex: np.concatenate(each)[np.concatenate(each)[:, 0] > 0] for sex, each in frames.items()}
    factors = np.arange(0.8, 1.21, 0.05)

    def nearest(whose, to):
        target = loud[to][:, 1:].mean(axis=0), np.cov(loud[to][:, 1:].T)
        changed = [(loud[whose] @ features.warping(factor).T)[:, 1:] for factor in factors]
        return factors[np.argmin([divergence((each.mean(axis=0), np.cov(each.T)), target) for each in changed])]

    assert nearest("f", "m") == pytest.approx(1.1, abs=0.051)
    assert nearest("m", "f") == pytest.approx(0.9, abs=0.051)


def test_no_perturbation_no_warper():
    assert Augment().warper(KINDS["fbank"]) is None


def test_refuses_what_has_no_frequencies():
    with pytest.raises(ConfigError, match=r"augment.vtlp: precomputed frames of 80 values; .*set augment.vtlp=0"):
        Augment(vtlp=0.1).warper(Precomputed(PrecomputedConfig(dim=80)))

    class Loudness(Features):
        name, dim, frame_shift = "loudness", 1, 0.01

        def __init__(self):
            pass

        def num_frames(self, num_samples):
            return 0

    with pytest.raises(ConfigError, match=r"features 'loudness' cannot be warped in frequency; set augment.vtlp=0"):
        Augment(vtlp=0.1).warper(Loudness())
    with pytest.raises(ValueError, match=r"vtlp is 0\.6"):
        Augment(vtlp=0.6)
