"""The contract of feature extractors: frame counts, finiteness, determinism.

Audio is seeded noise at a tenth of full scale, at 8 and 16 kHz. Extractors that read ``feats.scp`` have no audio to be
tried on: of them only their refusal of a missing file is checked.
"""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

from dstoolkit.errors import ConfigError, DataError
from dstoolkit.testing.checks import CheckFailed, Skipped, Subject, check, require

RATES = (8000, 16000)  # Hz
COUNTS = (0, 1, 79, 80, 81, 159, 160, 161, 199, 200, 201, 399, 400, 401, 479, 480, 481, 1600, 4001, 16000, 22051)
SECONDS = 10  # for the frame rate


def extractors(subject: Subject) -> list[tuple[Any, int]]:
    """One per rate, with its rate in Hz."""
    if subject.cls.source != "wav.scp":
        raise Skipped(f"reads {subject.cls.source}, not audio")
    return [(subject.cls(subject.config, rate), rate) for rate in RATES]


def noise(count: int) -> Any:
    """``(count,)`` float32 within [-1, 1]."""
    return np.random.default_rng(0).normal(0, 0.1, count).clip(-1, 1).astype(np.float32)


@check("features")
def num_frames_agrees(subject: Subject) -> None:
    """``num_frames`` says how many frames ``extract`` gives, for short, odd and long audio."""
    for extractor, rate in extractors(subject):
        for count in COUNTS:
            said, found = extractor.num_frames(count), len(extractor.extract(noise(count)))
            require(said == found, f"{count} samples at {rate} Hz: num_frames says {said}, extract gives {found}")


@check("features")
def frames_are_well_formed(subject: Subject) -> None:
    """``(frames, dim)`` float32, finite."""
    for extractor, rate in extractors(subject):
        frames = extractor.extract(noise(rate))
        require(isinstance(frames, np.ndarray), f"a {type(frames).__name__}; expected a numpy array")
        require(frames.dtype == np.float32, f"{frames.dtype}; expected float32")
        require(frames.ndim == 2 and frames.shape[1] == extractor.dim, f"shape {frames.shape}; dim is {extractor.dim}")
        require(bool(np.isfinite(frames).all()), f"not finite on noise at {rate} Hz")


@check("features")
def extremes_stay_finite(subject: Subject) -> None:
    """Silence, a single click, a constant and full-scale square waves give finite frames."""
    for extractor, rate in extractors(subject):
        click = np.zeros(rate, np.float32)
        click[rate // 2] = 1.0
        square = np.where(np.arange(rate) // 20 % 2, 1.0, -1.0)
        for name, samples in {
            "silence": 0 * click,
            "a click": click,
            "a constant": 0 * click + 1,
            "full scale": square,
        }.items():
            frames = extractor.extract(samples.astype(np.float32))
            require(bool(np.isfinite(frames).all()), f"not finite on {name} at {rate} Hz")


@check("features")
def frame_shift_agrees(subject: Subject) -> None:
    """As many frames as ``frame_shift`` promises, to 2 %."""
    for extractor, rate in extractors(subject):
        wanted = SECONDS / extractor.frame_shift
        found = extractor.num_frames(SECONDS * rate)
        require(
            abs(found - wanted) <= 0.02 * wanted + 3,
            f"{found} frames in {SECONDS} s at {rate} Hz; frame_shift {extractor.frame_shift:g} s promises {wanted:g}",
        )


@check("features")
def depends_on_its_input(subject: Subject) -> None:
    """Two different sounds give different frames."""
    for extractor, rate in extractors(subject):
        reverse = noise(rate)[::-1].copy()
        require(
            not np.array_equal(extractor.extract(noise(rate)), extractor.extract(reverse)), "two sounds, one output"
        )


@check("features")
def is_deterministic(subject: Subject) -> None:
    """The same audio gives the same bits, from another extractor of the same options too; the audio stays as it was."""
    for (extractor, rate), (other, _) in zip(extractors(subject), extractors(subject), strict=True):
        samples = noise(rate)
        first = np.array(extractor.extract(samples))
        require(np.array_equal(samples, noise(rate)), "extract changes the samples it is given")
        extractor.extract(noise(rate // 2))
        require(np.array_equal(first, extractor.extract(samples)), "the same audio gives two outputs")
        require(np.array_equal(first, other.extract(samples)), "two extractors of the same options differ")


@check("features")
def warping_fits(subject: Subject) -> None:
    """Where it gives matrices to warp frequencies: ``(dim, dim)`` float32, finite, and no change by a factor of 1."""
    extractor = subject.cls(subject.config, RATES[1] if subject.cls.source == "wav.scp" else 0)
    try:
        matrices = [extractor.warping(factor) for factor in (0.9, 1.0, 1.1)]
    except (TypeError, ConfigError) as error:
        raise Skipped(str(error)) from error
    for matrix in matrices:
        require(matrix.shape == (extractor.dim,) * 2, f"shape {matrix.shape}; dim is {extractor.dim}")
        require(matrix.dtype == np.float32, f"{matrix.dtype}; expected float32")
        require(bool(np.isfinite(matrix).all()), "not finite")
    same = np.allclose(matrices[1], np.eye(extractor.dim), atol=1e-3)
    require(same, "a factor of 1 changes frames")
    require(not np.allclose(matrices[0], matrices[2]), "factors of 0.9 and 1.1 do the same")


@check("features")
def loudness_rises(subject: Subject) -> None:
    """A value per frame, which is higher for louder audio."""
    if subject.cls.source != "wav.scp":
        raise Skipped("reads no audio")
    for extractor, rate in extractors(subject):
        quiet, loud = (extractor.loudness(extractor.extract(factor * noise(rate))) for factor in (0.01, 0.5))
        require(len(loud) == extractor.num_frames(rate), f"{len(loud)} values for {extractor.num_frames(rate)} frames")
        require(bool((loud > quiet).all()), "louder audio is not louder")


@check("features")
def can_be_pickled(subject: Subject) -> None:
    """``features extract --nj`` sends it to other processes."""
    for extractor, rate in extractors(subject):
        copy = pickle.loads(pickle.dumps(extractor))
        require(np.array_equal(copy.extract(noise(rate)), extractor.extract(noise(rate))), "differs after pickling")


@check("features")
def missing_file_is_refused(subject: Subject) -> None:
    """Of features that read ``feats.scp``: DataError, so that the user learns which file it was."""
    if subject.cls.source != "feats.scp":
        raise Skipped("reads audio")
    try:
        subject.cls(subject.config, 0).load("/nowhere/missing.npy")
    except DataError:
        return
    raise CheckFailed("load of a missing file raises no DataError")
