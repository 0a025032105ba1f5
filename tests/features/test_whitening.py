"""Whitened frames have the covariance that was asked for; the oracle is NumPy's singular value decomposition."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dstoolkit.errors import DataError
from dstoolkit.features.cmvn import Cmvn, fitted
from dstoolkit.features.whitening import Spread, Whitening

RNG = np.random.default_rng(1)
FRAMES = (RNG.standard_normal((400, 5)) @ RNG.standard_normal((5, 5)) + [0, 3, -7, 100, 1]).astype(np.float32)


def spread(frames=FRAMES):
    return Spread.of([frames[:7], frames[:0], frames[7:]], "here")


def whitened(frames=FRAMES, **options):
    return Cmvn.whiten(spread(frames), Whitening(**options)).apply(frames).astype(np.float64)


class Held:
    """An archive in memory."""

    path, dim = Path("train/features.h5"), 5

    def __len__(self):
        return 4

    def frames(self, index):
        return FRAMES[100 * index : 100 * index + 100]


def test_statistics_are_those_of_the_decomposition():
    found, (_, values, directions) = spread(), np.linalg.svd(FRAMES - FRAMES.mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(found.mean, FRAMES.mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(found.deviation, FRAMES.std(axis=0, ddof=1, dtype=np.float64))
    np.testing.assert_allclose(found.variances, values**2 / 399, rtol=1e-9)
    np.testing.assert_allclose(np.abs(np.sum(found.directions * directions, axis=1)), 1, atol=1e-6)


@pytest.mark.parametrize("rotation", ["zca", "pca"])
def test_dimensions_are_uncorrelated(rotation):
    found = whitened(rotation=rotation)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(found.T), np.eye(5), atol=1e-4)


def test_zca_is_the_whitening_that_changes_frames_least():
    matrix = spread().matrix(Whitening())
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-9)
    assert (np.linalg.eigvalsh(matrix) > 0).all()


def test_pca_without_scale_keeps_distances_and_has_a_fixed_sign():
    found = whitened(rotation="pca", scale=False)
    np.testing.assert_allclose(np.linalg.norm(found[0] - found[9]), np.linalg.norm(FRAMES[0] - FRAMES[9]), rtol=1e-5)
    np.testing.assert_allclose(found.var(axis=0, ddof=1), spread().variances, rtol=1e-4)
    assert (spread().matrix(Whitening(rotation="pca"))[:, 0] >= 0).all()


def test_without_rotation_each_dimension_is_scaled_by_itself():
    found = whitened(rotation="none")
    np.testing.assert_allclose(found.std(axis=0, ddof=1), 1, rtol=1e-4)
    np.testing.assert_allclose(np.corrcoef(found.T), np.corrcoef(FRAMES.T), atol=1e-4)
    np.testing.assert_allclose(whitened(rotation="none", scale=False), FRAMES - FRAMES.mean(axis=0), atol=1e-3)


def test_without_center_the_mean_stays():
    np.testing.assert_allclose(whitened(center=False).mean(axis=0), FRAMES.mean(axis=0), atol=1e-3)


def test_a_direction_without_variance_becomes_nothing():
    frames = np.concatenate([FRAMES, FRAMES[:, :1] * 2, np.ones((400, 1), np.float32)], axis=1)
    found = whitened(frames)
    assert np.isfinite(found).all()
    assert np.linalg.matrix_rank(np.cov(found.T), tol=1e-3) == 5


def test_zca_without_scale_is_refused():
    with pytest.raises(ValueError, match="turns them back"):
        Whitening(scale=False)


def test_the_archive_or_the_file_gives_the_statistics(tmp_path):
    file = tmp_path / "norm.yml"
    wanted = fitted("whiten", Held()).apply(FRAMES)
    spread().save(file)
    np.testing.assert_allclose(fitted(Whitening(statistics=str(file)), Held()).apply(FRAMES), wanted, atol=1e-4)
    Spread.of([FRAMES[:, :3]], "here").save(file)
    with pytest.raises(DataError, match=r"statistics of 3 dimensions; 'train/features\.h5' has 5"):
        fitted(Whitening(statistics=str(file)), Held())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": [1, 2]}, "do not fit together"),
        ({"directions": 3}, "do not fit together"),
        ({"variances": ["much"] * 5}, "no statistics to whiten by"),
        ({"deviation": [float("nan")] * 5}, "not finite"),
    ],
)
def test_a_strange_file_is_refused(tmp_path, change, message):
    file = tmp_path / "norm.yml"
    spread().save(file)
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(DataError, match=message):
        Spread.load(file)


def test_a_missing_file_or_too_few_frames_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        Spread.load(tmp_path / "none.yml")
    with pytest.raises(DataError, match="here: 1 frames"):
        Spread.of([FRAMES[:1]], "here")
