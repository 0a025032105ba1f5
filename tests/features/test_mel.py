"""fbank and mfcc against kaldi-native-fbank: an independent implementation of the same formulas, in C++."""

from __future__ import annotations

import dataclasses

import kaldi_native_fbank
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dstoolkit.errors import ConfigError
from dstoolkit.features.fbank import Fbank, FbankConfig
from dstoolkit.features.mfcc import Mfcc, MfccConfig

TOLERANCE = 1e-3  # in the log domain
RESOLVED = np.log(1e7)  # a point with less of the frame's largest power is lost in the rounding of float32
PEERS = {
    Fbank: (kaldi_native_fbank.FbankOptions, kaldi_native_fbank.OnlineFbank),
    Mfcc: (kaldi_native_fbank.MfccOptions, kaldi_native_fbank.OnlineMfcc),
}
WINDOWS = {"povey": "povey", "hamming": "hamming", "hann": "hanning", "rectangular": "rectangular"}


def speechlike(count: int, rate: int, seed: int = 0, level: float = 0.1) -> np.ndarray:
    """Noise, a tone and a constant offset, in [-1, 1]."""
    noise = np.random.default_rng(seed).standard_normal(count)
    tone = np.sin(2 * np.pi * 440 / rate * np.arange(count))
    return np.clip(level * (noise / 4 + tone + 0.1), -1, 1).astype(np.float32)


def peer(cls, config, rate, samples):
    """kaldi-native-fbank's frames for the same options."""
    options_class, online_class = PEERS[cls]
    options = options_class()
    frame, mel = options.frame_opts, options.mel_opts
    frame.samp_freq, frame.dither, frame.snip_edges = rate, 0, config.snip_edges
    frame.frame_length_ms, frame.frame_shift_ms = config.frame_length * 1000, config.frame_shift * 1000
    frame.preemph_coeff, frame.remove_dc_offset = config.preemphasis, config.remove_dc_offset
    frame.window_type = WINDOWS[config.window]
    mel.num_bins, mel.low_freq, mel.high_freq = config.num_mel_bins, config.low_frequency, config.high_frequency
    options.use_energy, options.raw_energy, options.energy_floor = (
        config.use_energy,
        config.raw_energy,
        config.energy_floor,
    )
    if cls is Mfcc:
        options.num_ceps, options.cepstral_lifter = config.num_ceps, config.cepstral_lifter
    online = online_class(options)
    online.accept_waveform(rate, (samples * 32768).tolist())
    online.input_finished()
    frames = [online.get_frame(at) for at in range(online.num_frames_ready)]
    return np.stack(frames) if frames else np.empty((0, cls(config, rate).dim), np.float32)


def resolved(config, rate, samples):
    """Where log mel energies lie within the precision of a float32 transform: both of us compute with one."""
    shared = {each.name: getattr(config, each.name) for each in dataclasses.fields(FbankConfig)}
    log_mel = Fbank(FbankConfig(**{**shared, "use_energy": False}), rate).extract(samples)
    return log_mel > log_mel.max(axis=1, keepdims=True, initial=-np.inf) - RESOLVED


def agree(cls, config, rate, samples):
    ours, theirs = cls(config, rate).extract(samples), peer(cls, config, rate, samples)
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    fine = resolved(config, rate, samples)
    assert len(fine) < 20 or fine.mean() > 0.99
    if cls is Mfcc:
        fine = np.broadcast_to(fine.all(axis=1, keepdims=True), ours.shape)
    elif config.use_energy:
        fine = np.pad(fine, ((0, 0), (1, 0)), constant_values=True)
    np.testing.assert_allclose(ours[fine], theirs[fine], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("cls", [Fbank, Mfcc])
@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100])
@pytest.mark.parametrize("snip_edges", [True, False])
@pytest.mark.parametrize("bins", [23, 40, 80])
def test_agrees_with_kaldi(cls, rate, snip_edges, bins):
    config = cls.Config(num_mel_bins=bins, snip_edges=snip_edges)
    agree(cls, config, rate, speechlike(rate, rate))


@pytest.mark.parametrize("cls", [Fbank, Mfcc])
@pytest.mark.parametrize(
    "options",
    [
        {"window": "hamming"},
        {"window": "hann"},
        {"window": "rectangular"},
        {"preemphasis": 0.0},
        {"remove_dc_offset": False},
        {"low_frequency": 100.0, "high_frequency": 3000.0},
        {"high_frequency": -400.0},
        {"frame_length": 0.032, "frame_shift": 0.016},
        {"use_energy": True},
        {"use_energy": False},
        {"use_energy": True, "raw_energy": False},
        {"use_energy": True, "energy_floor": 1e12},
    ],
    ids=str,
)
def test_agrees_with_kaldi_in_each_option(cls, options):
    agree(cls, cls.Config(**options), 8000 if cls is Mfcc else 16000, speechlike(6000, 16000))


@pytest.mark.parametrize("options", [{"num_ceps": 5}, {"num_ceps": 23}, {"cepstral_lifter": 0.0}], ids=str)
def test_cepstra_agree_with_kaldi(options):
    agree(Mfcc, MfccConfig(**options), 8000, speechlike(6000, 8000))


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 3000),
    snip_edges=st.booleans(),
    rate=st.sampled_from([8000, 16000]),
    level=st.floats(0.001, 1.0),
    seed=st.integers(0, 2**32 - 1),
)
@example(count=0, snip_edges=False, rate=8000, level=0.1, seed=0)
@example(count=39, snip_edges=False, rate=8000, level=0.1, seed=0)  # less than half a shift: no frame
@example(count=41, snip_edges=False, rate=8000, level=0.1, seed=0)  # mirrored several times over
@example(count=199, snip_edges=True, rate=8000, level=0.1, seed=0)  # one sample short of a frame
def test_agrees_with_kaldi_at_any_length(count, snip_edges, rate, level, seed):
    config = FbankConfig(num_mel_bins=40, snip_edges=snip_edges)
    samples = speechlike(count, rate, seed, level)
    agree(Fbank, config, rate, samples)
    assert Fbank(config, rate).num_frames(count) == len(peer(Fbank, config, rate, samples))


def test_real_speech_agrees_with_kaldi(corpora):
    from dstoolkit.data import audio

    samples, rate = audio.read(sorted((corpora / "yesno" / "waves_yesno").glob("*.wav"))[0])
    agree(Fbank, FbankConfig(num_mel_bins=40), rate, samples)
    agree(Mfcc, MfccConfig(), rate, samples)


@pytest.mark.parametrize("cls", [Fbank, Mfcc])
@pytest.mark.parametrize("options", [{}, {"use_energy": True}, {"snip_edges": False}], ids=str)
def test_silence_is_finite(cls, options):
    found = cls(cls.Config(**options), 16000).extract(np.zeros(4000, np.float32))
    assert len(found)
    assert np.isfinite(found).all()


def test_deterministic_and_block_by_block(monkeypatch):
    from dstoolkit.features import framing

    samples, extractor = speechlike(50_000, 16000), Fbank(FbankConfig(), 16000)
    whole = extractor.extract(samples)
    assert np.array_equal(whole, extractor.extract(samples))
    monkeypatch.setattr(framing, "BLOCK", 7)
    np.testing.assert_allclose(extractor.extract(samples), whole, atol=1e-5)


def test_dither_adds_noise_of_its_deviation():
    samples = np.zeros(160_000, np.float32)
    config = FbankConfig(dither=1.0, use_energy=True, preemphasis=0.0)
    found = Fbank(config, 16000).extract(samples)
    assert np.array_equal(found, Fbank(config, 16000).extract(samples))
    # The energy of 400 samples of unit variance, less the mean's: about 399.
    assert np.exp(found[:, 0]).mean() == pytest.approx(399, rel=0.02)


def test_deltas_follow_the_coefficients():
    samples = speechlike(8000, 8000)
    plain = Mfcc(MfccConfig(), 8000).extract(samples)
    extractor = Mfcc(MfccConfig(deltas=2), 8000)
    found = extractor.extract(samples)
    assert found.shape == (len(plain), extractor.dim) == (len(plain), 39)
    assert np.array_equal(found[:, :13], plain)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (FbankConfig(high_frequency=5000.0), "half the sample rate"),
        (FbankConfig(low_frequency=4000.0), "low_frequency < high_frequency"),
        (FbankConfig(num_mel_bins=300), "300 mel bins are too narrow"),
        (FbankConfig(frame_length=1e-4, frame_shift=1e-4), "0 samples"),
    ],
)
def test_refuses_what_the_rate_does_not_bear(config, says):
    with pytest.raises(ConfigError, match=says):
        Fbank(config, 8000)


@pytest.mark.parametrize(
    "options",
    [
        {"num_mel_bins": 2},
        {"frame_shift": 0.03},
        {"frame_shift": 0.0},
        {"preemphasis": 1.5},
        {"dither": -1.0},
        {"energy_floor": -1.0},
        {"num_ceps": 24},
        {"num_ceps": 0},
        {"cepstral_lifter": -1.0},
    ],
    ids=str,
)
def test_refuses_impossible_options(options):
    with pytest.raises(ValueError, match=r"expected|must not"):
        MfccConfig(**options)


def test_configs_are_the_extractors_own():
    for cls in Fbank, Mfcc:
        assert dataclasses.is_dataclass(cls.Config)
        assert cls.Config.__dataclass_params__.frozen
    assert Fbank(FbankConfig(), 16000).dim == 80
    assert Mfcc(MfccConfig(), 16000).dim == 13
    assert Fbank(FbankConfig(use_energy=True), 16000).dim == 81
    assert Fbank(FbankConfig(), 11025).frame_shift == 110 / 11025
