"""Precomputed features: each kind of file, and faulty ones."""

from __future__ import annotations

import pickle

import kaldiio
import numpy as np
import pytest

from dstoolkit.errors import DataError
from dstoolkit.features.deltas import add_deltas
from dstoolkit.features.precomputed import Precomputed, PrecomputedConfig

FRAMES = np.random.default_rng(0).standard_normal((7, 13)).astype(np.float32)


def load(location, **options):
    return Precomputed(PrecomputedConfig(**options)).load(str(location))


def write_sphinx(path, frames, order=">"):
    path.write_bytes(np.array(frames.size, f"{order}i4").tobytes() + frames.astype(f"{order}f4").tobytes())


@pytest.mark.parametrize("order", ["<", ">"])
def test_sphinx(tmp_path, order):
    write_sphinx(tmp_path / "a.mfc", FRAMES, order)
    assert np.array_equal(load(tmp_path / "a.mfc"), FRAMES)


def test_sphinx_of_an4(corpora):
    path = sorted((corpora / "an4").rglob("*.mfc"))[0]
    found = load(path)
    assert found.shape == ((path.stat().st_size - 4) // 52, 13)
    assert np.isfinite(found).all()
    assert np.abs(found).max() < 100  # of the wrong byte order they would be all magnitudes


@pytest.mark.parametrize("compression", [0, 2])
def test_kaldi(tmp_path, compression):
    ark, scp = tmp_path / "a.ark", tmp_path / "a.scp"
    options = {"compression_method": compression} if compression else {}
    kaldiio.save_ark(str(ark), {"u1": FRAMES, "u2": FRAMES * 2}, scp=str(scp), **options)
    location = scp.read_text().splitlines()[1].split()[1]
    np.testing.assert_allclose(load(location), FRAMES * 2, atol=0.05 if compression else 0)
    np.testing.assert_allclose(load(location + "[2:4]"), FRAMES[2:5] * 2, atol=0.05 if compression else 0)


def test_kaldi_text(tmp_path):
    (tmp_path / "a.ark").write_text("u1  [\n  1 2 3\n  4 5 6 ]\n")
    assert load(f"{tmp_path}/a.ark:3", dim=3).tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_numpy(tmp_path, dtype):
    np.save(tmp_path / "a.npy", FRAMES.astype(dtype))
    found = load(tmp_path / "a.npy")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, FRAMES, atol=1e-3)


def test_mean_removal_comes_before_deltas(tmp_path):
    np.save(tmp_path / "a.npy", FRAMES)
    found = load(tmp_path / "a.npy", deltas=2, mean_removal="utterance")
    assert found.shape == (7, Precomputed(PrecomputedConfig(deltas=2)).dim)
    np.testing.assert_allclose(found[:, :13].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(found, add_deltas(FRAMES - FRAMES.mean(axis=0), 2), atol=1e-6)


def faulty(tmp_path, kind):
    path = tmp_path / kind
    writers = {
        "cut.mfc": lambda: path.write_bytes(np.array(26, ">i4").tobytes() + b"\0" * 52),
        "empty.mfc": lambda: path.write_bytes(b""),
        "odd.mfc": lambda: path.write_bytes(b"\0\0\0\1\0\0"),
        "dim.mfc": lambda: write_sphinx(path, FRAMES[:, :12]),
        "dim.npy": lambda: np.save(path, FRAMES[:, :12]),
        "nan.npy": lambda: np.save(path, np.full((2, 13), np.nan)),
        "flat.npy": lambda: np.save(path, FRAMES[0]),
        "words.npy": lambda: np.save(path, np.array([["a"] * 13])),
        "objects.npy": lambda: np.save(path, np.array([{}], object), allow_pickle=True),
        "junk.npy": lambda: path.write_bytes(b"junk"),
        "none.npy": lambda: path.write_bytes(b""),
        "junk.ark": lambda: path.write_bytes(b"junk and more junk"),
        "vector.ark": lambda: kaldiio.save_mat(str(path), FRAMES[0]),
        "pickle.ark": lambda: path.write_bytes(b"PKL" + pickle.dumps(FRAMES)),
        "missing.ark": lambda: None,
        "missing.npy": lambda: None,
        "missing.mfc": lambda: None,
    }
    writers[kind]()
    return path


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("cut.mfc", r"56 bytes; its count of float32 values says 26"),
        ("empty.mfc", "0 bytes"),
        ("odd.mfc", "6 bytes"),
        ("dim.mfc", "84 values; expected a multiple of 13; set features.dim"),
        ("dim.npy", "7 x 12 values; expected frames x 13"),
        ("nan.npy", "not finite"),
        ("flat.npy", "13 values"),
        ("words.npy", "not an array of numbers"),
        ("objects.npy", "not a NumPy array of numbers"),
        ("junk.npy", "not a NumPy array"),
        ("none.npy", "not a NumPy array"),
        ("junk.ark", "not a Kaldi matrix"),
        ("pickle.ark", "not a Kaldi matrix"),
        ("vector.ark", "13 values; expected frames x 13"),
        ("missing.ark", "no such file"),
        ("missing.npy", "no such file"),
        ("missing.mfc", "no such file"),
    ],
)
def test_faulty_files_are_named(tmp_path, kind, says):
    path = faulty(tmp_path, kind)
    with pytest.raises(DataError, match=says) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("end", ["", " ", ":12", "[0:3]"])
def test_pipes_are_refused_and_not_run(tmp_path, end):
    with pytest.raises(DataError, match="a piped command"):
        load(f"touch {tmp_path}/ran |{end}")
    assert not (tmp_path / "ran").exists()


def test_refuses_impossible_options():
    for options in {"dim": 0}, {"frame_shift": 0.0}:
        with pytest.raises(ValueError, match="expected"):
            PrecomputedConfig(**options)
