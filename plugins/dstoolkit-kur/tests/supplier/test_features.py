"""``type``, ``max_frequency`` and ``normalization``, by the frames and statistics that come out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from dstoolkit_kur import supplier

from dstoolkit.data import audio
from dstoolkit.data.archive import Archive
from dstoolkit.errors import ConfigError, DataError
from dstoolkit.features import cmvn
from dstoolkit.features.whitening import Spread
from dstoolkit.pipeline import experiment
from dstoolkit.testing import corpus


@pytest.fixture
def supply(section, tmp_path):
    def run(name="train", like=None, **options):
        node = section(name, **{"path": "train", "data_cpus": 1, **options})
        return supplier.supply(node, name, tmp_path / "data" / "k", like=like)

    return run


def frames(data, at=0):
    with Archive(data.folder / "features.h5") as archive:
        return archive.frames(at)


def normalised(data):
    """All frames as the network gets them."""
    with Archive(data.folder / "features.h5") as archive:
        fitted = cmvn.fitted(experiment.from_plain(data.sections, "k.yml").cmvn, archive)
        return np.concatenate([fitted.apply(archive.frames(at)) for at in range(len(archive))]).astype(np.float64)


def raw(data):
    with Archive(data.folder / "features.h5") as archive:
        return archive.read(0, len(archive)).astype(np.float64)


def spectrogram(samples, rate, points):
    """From the definition: the power spectral density of 20 ms each 10 ms, one frame after another."""
    size, hop = rate // 50, rate // 100
    window = np.hanning(size)
    density = np.array(
        [
            np.abs(np.fft.rfft(samples[at : at + size] * window)) ** 2 / (rate * np.sum(window**2))
            for at in range(0, len(samples) - size + 1, hop)
        ]
    )
    density[:, 1:-1] *= 2
    return np.log(density + 1e-14)[:, :points]


@pytest.mark.parametrize(
    ("limit", "rate", "points"),
    [(None, 8000, 81), (3000, 8000, 60), (3024, 8000, 60), (3025, 8000, 61), (8000, 16000, 160), (99999, 8000, 81)],
)
def test_spectrogram(make, supply, limit, rate, points):
    folder = make(texts=("fed", "a"), rate=rate)
    data = supply() if limit is None else supply(max_frequency=limit)
    wanted = spectrogram(audio.read(folder / "audio" / "u0.wav")[0].astype(np.float64), rate, points)
    assert frames(data).shape == wanted.shape
    assert np.abs(frames(data) - wanted).max() < 0.02  # float32, near the floor
    assert data.sections["features"]["name"] == "spectrogram"


def test_a_limit_too_low_is_refused(make, supply):
    make(texts=("fed", "a"))
    with pytest.raises(ConfigError, match=r"k\.yml:6: .*max_frequency: 60 Hz; expected 75 Hz or more"):
        supply(max_frequency=60)


def test_mfcc(make, supply):
    make(texts=("fed", "a"))
    whole, half, low = (frames(supply(type="mfcc", max_frequency=limit)) for limit in (None, 4000, 1500))
    assert whole.shape[1] == low.shape[1] == 13
    assert np.array_equal(whole, half)
    assert np.array_equal(whole[:, 0], low[:, 0])  # the energy of the samples
    assert np.abs(whole[:, 1:] - low[:, 1:]).max() > 1


def test_two_channels_are_averaged(make, supply, wav):
    folder = make(texts=("fed", "a"))
    once = frames(supply())
    samples = corpus.spell("fed", seed=0)
    seconds = wav(folder / "audio" / "u0.wav", np.repeat(samples, 2), channels=2)
    assert seconds == pytest.approx(len(samples) / corpus.RATE)
    assert np.abs(frames(supply()) - once).max() < 1e-3


@pytest.mark.parametrize("kind", [{"type": "mfcc"}, {"max_frequency": 1000}])
def test_whitened_by_default(make, supply, kind):
    make()
    white = normalised(supply(**kind))
    assert np.abs(white.mean(axis=0)).max() < 1e-3
    assert np.abs(np.cov(white.T) - np.eye(white.shape[1])).max() < 1e-2


def test_not_rotated_each_value_is_scaled_by_itself(make, supply):
    make()
    data = supply(type="mfcc", normalization={"rotate": False})
    plain, found = raw(data), normalised(data)
    assert np.allclose(found, (plain - plain.mean(axis=0)) / plain.std(axis=0, ddof=1), atol=1e-3)


def test_not_scaled_frames_lose_their_mean_alone(make, supply):
    make()
    data = supply(type="mfcc", normalization={"scale": False})
    assert np.allclose(normalised(data), raw(data) - raw(data).mean(axis=0), atol=1e-3)


def test_not_centred_frames_keep_their_mean(make, supply):
    make()
    data = supply(type="mfcc", normalization={"center": False})
    assert np.allclose(normalised(data).mean(axis=0), raw(data).mean(axis=0), atol=1e-2)
    assert np.allclose(np.cov(normalised(data).T), np.eye(13), atol=1e-2)


def test_depth_is_how_many_utterances_are_drawn(make, supply, tmp_path):
    make()
    data = supply(normalization={"path": "norm.json", "depth": 1})
    with Archive(data.folder / "features.h5") as archive:
        assert Spread.load(tmp_path / "norm.json").frames in archive.lengths


def test_saved_to_the_file_and_taken_from_it(make, supply, tmp_path):
    make()
    data = supply(normalization="sub/norm.json")
    path = tmp_path / "sub" / "norm.json"
    assert data.sections["cmvn"]["statistics"] == str(path)
    assert Spread.load(path).mean == pytest.approx(raw(data).mean(axis=0), abs=1e-4)
    kept = path.read_bytes()
    again = supply(normalization="sub/norm.json", samples=2)
    assert path.read_bytes() == kept
    assert again.sections["cmvn"] == data.sections["cmvn"]


def test_a_file_of_other_features_is_refused(make, supply, tmp_path):
    make()
    supply(normalization="norm.json")
    with pytest.raises(DataError, match=r"norm\.json: statistics of 81 values; the features have 13; remove it"):
        supply(normalization="norm.json", type="mfcc")
    (tmp_path / "norm.json").write_text(json.dumps({"mean": [0]}))
    with pytest.raises(DataError, match=r"norm\.json: no statistics to whiten by"):
        supply(normalization="norm.json")


def test_without_a_file_the_statistics_follow_the_data(make, supply, tmp_path):
    make()
    kept = tmp_path / "data" / "k" / "normalization.json"
    first = supply()
    assert first.sections["cmvn"]["statistics"] == str(kept)
    whole = Spread.load(kept).frames
    supply(samples=2)
    assert Spread.load(kept).frames < whole
