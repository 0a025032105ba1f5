"""The contract of augmentations: shapes, finiteness, and that everything random comes from the generator.

They are tried on seeded noise at 16 kHz, or on its frames: of the features that they are for, else of ``fbank``.
"""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

from dstoolkit import plugins
from dstoolkit.features.fbank import Fbank
from dstoolkit.testing.checks import Subject, check, require

RATE = 16000  # Hz
SEEDS = range(100)  # an augmentation may leave most utterances alone
STAGES = ("audio", "frames", "normalised")


def made(subject: Subject) -> tuple[Any, Any]:
    """The augmentation, and features for it."""
    names = subject.cls.of_features
    cls = plugins.load().get("features", names[0]) if names else Fbank
    features = cls(cls.Config(), RATE)
    return subject.cls(subject.config, features, RATE), features


def heard(subject: Subject, features: Any, samples: Any) -> Any:
    """What its stage is called with, of these samples."""
    if subject.cls.stage == "audio":
        return samples
    frames = features.extract(samples)
    if subject.cls.stage == "frames":
        return frames
    return ((frames - frames.mean(axis=0)) / np.maximum(frames.std(axis=0), 1e-3)).astype(np.float32)


def noise(seconds: float = 1.5) -> Any:
    """``(samples,)`` float32 in [-1, 1], louder in its middle."""
    count = round(seconds * RATE)
    envelope = 0.05 + 0.1 * np.sin(np.pi * np.arange(count) / count)
    return (envelope * np.random.default_rng(0).normal(size=count)).clip(-1, 1).astype(np.float32)


def shortest(features: Any) -> Any:
    """Audio of one frame."""
    count = next(count for count in range(RATE) if features.num_frames(count) == 1)
    return noise()[:count]


def call(augmentation: Any, values: Any, seed: int = 0) -> Any:
    return augmentation(values.copy(), np.random.default_rng(seed))


def _require_alike(found: Any, values: Any) -> None:
    require(isinstance(found, np.ndarray), f"a {type(found).__name__}; expected a numpy array")
    require(found.dtype == np.float32, f"{found.dtype}; expected float32")
    alike = found.ndim == values.ndim and found.shape[1:] == values.shape[1:]
    require(alike, f"shape {found.shape} for {values.shape}")
    require(1 <= len(found) <= 2 * len(values), f"length {len(found)} for {len(values)}; expected 1 to twice as many")
    require(bool(np.isfinite(found).all()), "not finite")


@check("augmentations")
def says_where_it_stands(subject: Subject) -> None:
    """``stage`` is one that there is."""
    stage = subject.cls.stage
    require(stage in STAGES, f"stage is {stage!r}; expected one of {', '.join(STAGES)}")


@check("augmentations")
def output_is_well_formed(subject: Subject) -> None:
    """Float32, finite, of the same ``dim``, and of 1 to twice as many frames or samples."""
    augmentation, features = made(subject)
    values = heard(subject, features, noise())
    for seed in SEEDS:
        _require_alike(call(augmentation, values, seed), values)


@check("augmentations")
def extremes_stay_finite(subject: Subject) -> None:
    """Silence and full-scale square waves."""
    augmentation, features = made(subject)
    square = np.where(np.arange(RATE) // 20 % 2, 1.0, -1.0).astype(np.float32)
    for samples in (np.zeros(RATE, np.float32), square):
        values = heard(subject, features, samples)
        for seed in range(10):
            require(bool(np.isfinite(call(augmentation, values, seed)).all()), "not finite on silence or full scale")


@check("augmentations")
def short_utterances_work(subject: Subject) -> None:
    """One frame stays one at least; of audio, what makes one frame."""
    augmentation, features = made(subject)
    values = heard(subject, features, shortest(features))
    for seed in SEEDS:
        _require_alike(call(augmentation, values, seed), values)


@check("augmentations")
def changes_what_it_hears(subject: Subject) -> None:
    """Of a hundred utterances one is changed, and not all of them alike."""
    augmentation, features = made(subject)
    values = heard(subject, features, noise())
    found = {call(augmentation, values, seed).tobytes() for seed in SEEDS}
    require(found != {values.tobytes()}, f"nothing changes in {len(SEEDS)} calls")
    require(len(found) > 1, "every generator gives the same")


@check("augmentations")
def is_deterministic(subject: Subject) -> None:
    """The same generator gives the same bits: after other calls, and of another instance of the same options."""
    augmentation, features = made(subject)
    values = heard(subject, features, noise())
    other = made(subject)[0]
    first = [np.array(call(augmentation, values, seed)) for seed in range(10)]
    for seed in reversed(range(10)):
        require(np.array_equal(first[seed], call(augmentation, values, seed)), "the same generator gives two outputs")
        require(np.array_equal(first[seed], call(other, values, seed)), "two of the same options differ")


@check("augmentations")
def input_stays_as_it_was(subject: Subject) -> None:
    """The array is the archive's or another augmentation's."""
    augmentation, features = made(subject)
    values = heard(subject, features, noise())
    for seed in SEEDS:
        given = values.copy()
        augmentation(given, np.random.default_rng(seed))
        require(np.array_equal(given, values), "changes the array it is given")


@check("augmentations")
def can_be_pickled(subject: Subject) -> None:
    """``train.workers`` sends it to other processes."""
    augmentation, features = made(subject)
    values = heard(subject, features, noise())
    copy = pickle.loads(pickle.dumps(augmentation))
    require(np.array_equal(call(copy, values), call(augmentation, values)), "differs after pickling")
