"""``gammatone``: the contract kit on several options, tones, roots and cepstra, and refused options."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
from dstoolkit_gammatone.features import Gammatone, GammatoneConfig

from dstoolkit import config, plugins
from dstoolkit.errors import ConfigError
from dstoolkit.testing import Subject, parametrize_with_checks

RATE = 16000  # Hz
OPTIONS = [
    {},
    {"nonlinearity": "power", "num_filters": 20},
    {"cepstra": 13},
    {"cepstra": 4, "num_filters": 4, "nonlinearity": "power", "low_frequency": 0.0},
    {"low_frequency": 100.0, "high_frequency": 3800.0, "frame_length": 0.032, "frame_shift": 0.0125},
]


@parametrize_with_checks([Subject(Gammatone, GammatoneConfig(**options)) for options in OPTIONS])
def test_contract(check):
    check()


def tone(hertz: float, seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def noise(seconds: float = 0.5) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def extractor(rate: int = RATE, **options) -> Gammatone:
    return Gammatone(GammatoneConfig(**options), rate)


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("nonlinearity", ["log", "power"])
def test_a_tone_at_a_centre_excites_its_filter_the_most(rate, nonlinearity):
    gammatone = extractor(rate, nonlinearity=nonlinearity)
    for index, centre in enumerate(gammatone.filterbank.centres()):
        assert gammatone.extract(tone(centre, 0.2, rate)).mean(axis=0).argmax() == index


def test_a_tone_passes_each_filter_by_its_weight():
    """In long frames a tone is nearly a line, so log energies differ as the logarithms of the weights at 1000 Hz."""
    gammatone = extractor(frame_length=0.25)
    found = gammatone.extract(tone(1000)).mean(axis=0)
    weights = np.log(gammatone.filterbank.weights([1000.0])[:, 0])
    near = weights > np.log(1e-4)
    assert 10 < np.count_nonzero(near) < 64
    found, weights = found[near], weights[near]
    assert found - found.max() == pytest.approx(weights - weights.max(), abs=0.03)


def test_twice_the_amplitude_is_four_times_the_energy():
    found = [extractor().extract(factor * noise()) for factor in (1, 2)]
    assert found[1] - found[0] == pytest.approx(np.log(4), abs=1e-4)


def test_a_constant_is_silence():
    silence, constant = (extractor().extract(np.full(RATE, level, np.float32)) for level in (0.0, 0.25))
    assert (silence == silence[0, 0]).all()
    assert (constant == silence).all()


def test_roots_are_the_fifteenth_of_what_logarithms_are_of():
    logarithms, roots = (extractor(nonlinearity=each).extract(noise()) for each in ("log", "power"))
    assert roots**15 == pytest.approx(np.exp(logarithms.astype(np.float64)), rel=1e-4)


@pytest.mark.parametrize("nonlinearity", ["log", "power"])
def test_cepstra_are_scipys_cosine_transform_of_the_filters(nonlinearity):
    plain = extractor(nonlinearity=nonlinearity).extract(noise())
    cepstra = extractor(nonlinearity=nonlinearity, cepstra=13).extract(noise())
    assert cepstra == pytest.approx(scipy.fft.dct(plain, norm="ortho")[:, :13], abs=2e-4)


@pytest.mark.parametrize("cepstra", [0, 64])
@pytest.mark.parametrize("factor", [0.8, 1.2])
def test_warping_moves_a_tone(cepstra, factor):
    """What was at ``factor`` times a frequency is then at the frequency."""
    gammatone = extractor(cepstra=cepstra)
    centres = gammatone.filterbank.centres()
    frame = gammatone.extract(tone(factor * centres[30])).mean(axis=0)
    warped = gammatone.warping(factor) @ frame
    spectra = [scipy.fft.idct(each, norm="ortho") if cepstra else each for each in (frame, warped)]
    assert abs(int(spectra[0].argmax()) - 30) >= 2
    assert abs(int(spectra[1].argmax()) - 30) <= 1


def test_masking_of_cepstra_hides_a_band_of_filters():
    """A quarter of them; the spectrum is smooth, as a band's edges blur by a filter or two."""
    gammatone = extractor(cepstra=64)
    cepstra = np.pad(np.random.default_rng(0).normal(size=16), (0, 48))
    spectrum, hidden = (
        scipy.fft.idct(each, norm="ortho") for each in (cepstra, gammatone.masking(0.25, 0.5) @ cepstra)
    )
    assert np.abs(hidden[17:31]).mean() < 0.1 * np.abs(spectrum[17:31]).mean()
    outside = np.r_[0:14, 34:64]
    assert np.abs(hidden - spectrum)[outside].mean() < 0.1 * np.abs(spectrum[outside]).mean()
    with pytest.raises(TypeError, match="no cepstra"):
        extractor().masking(0.25, 0.5)


def test_installed_under_its_name():
    assert plugins.load().get("features", "gammatone") is Gammatone


@pytest.mark.parametrize(
    "options",
    [
        {"num_filters": 1},
        {"low_frequency": -1.0},
        {"high_frequency": -1.0},
        {"frame_shift": 0.0},
        {"frame_shift": 0.03},
        {"cepstra": 65},
        {"cepstra": -1},
    ],
)
def test_senseless_options_are_refused(options):
    with pytest.raises(ConfigError, match=f"features: {next(iter(options))} is"):
        config.build(GammatoneConfig, options, "features")


def test_an_unknown_nonlinearity_is_refused():
    with pytest.raises(ConfigError, match=r"'pwer'; expected one of 'log', 'power'.*'power'"):
        config.build(GammatoneConfig, {"nonlinearity": "pwer"}, "features")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"high_frequency": 6000.0}, "from 50 to 6000 Hz; expected low_frequency < high_frequency <= 4000 Hz"),
        ({"low_frequency": 4000.0}, "from 4000 to 4000 Hz"),
        ({"frame_length": 0.0001, "frame_shift": 0.0001}, "frames of 0 samples each 0; expected 2 or more"),
    ],
)
def test_what_the_sample_rate_does_not_bear_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        extractor(8000, **options)
