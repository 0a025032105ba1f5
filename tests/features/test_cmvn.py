"""Normalisation: what comes out has the mean and variance that each kind promises."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dstoolkit.errors import ConfigError
from dstoolkit.features.cmvn import Cmvn, speaker_statistics
from dstoolkit.features.whitening import Spread, Whitening

RNG = np.random.default_rng(0)
FRAMES = (RNG.standard_normal((50, 4)) * [1, 5, 0.1, 100] + [0, 3, -7, 1e3]).astype(np.float32)


class Held:
    """An archive in memory."""

    def __init__(self, utterances, speakers):
        self.utterances, self.speakers = utterances, speakers

    def moments(self, indices):
        frames = np.concatenate([self.utterances[index] for index in indices])
        return frames.mean(axis=0), frames.var(axis=0)


def normal(frames):
    np.testing.assert_allclose(frames.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(frames.std(axis=0), 1, atol=1e-4)


def test_global():
    cmvn = Cmvn.global_(FRAMES.mean(axis=0), FRAMES.var(axis=0))
    normal(cmvn.apply(FRAMES))
    np.testing.assert_allclose(cmvn.apply(FRAMES[:9]), cmvn.apply(FRAMES)[:9])
    assert cmvn.apply(FRAMES).dtype == np.float32


def test_utterance():
    normal(Cmvn("utterance").apply(FRAMES))
    assert not Cmvn("utterance").apply(FRAMES[:1]).any()


def test_speaker():
    held = Held([FRAMES[:10], FRAMES[10:15] + 3, FRAMES[15:]], ["a", "b", "a"])
    found = speaker_statistics(held)
    assert sorted(found) == ["a", "b"]
    cmvn = Cmvn("speaker")
    normal(np.concatenate([cmvn.apply(held.utterances[at], found["a"]) for at in (0, 2)]))
    normal(cmvn.apply(held.utterances[1], found["b"]))
    with pytest.raises(ValueError, match="speaker's statistics"):
        cmvn.apply(FRAMES)


def test_none_and_nothing():
    assert Cmvn("none").apply(FRAMES) is FRAMES
    assert Cmvn("utterance").apply(FRAMES[:0]).shape == (0, 4)


def test_a_constant_dimension_becomes_zero():
    frames = np.full((5, 2), 3.0, np.float32)
    for cmvn in Cmvn("utterance"), Cmvn.global_(frames.mean(axis=0), frames.var(axis=0)):
        assert not cmvn.apply(frames).any()


@pytest.mark.parametrize("kind", ["global", "speaker", "utterance", "none"])
def test_a_checkpoint_keeps_it_exactly(kind):
    cmvn = Cmvn.global_(FRAMES.mean(axis=0), FRAMES.var(axis=0)) if kind == "global" else Cmvn(kind)
    again = Cmvn.from_dict(json.loads(json.dumps(cmvn.to_dict())))
    statistics = FRAMES[:2].mean(axis=0), FRAMES[:2].var(axis=0)
    assert np.array_equal(again.apply(FRAMES, statistics), cmvn.apply(FRAMES, statistics))
    assert again.kind == kind


def test_refusals():
    with pytest.raises(ConfigError, match="without statistics"):
        Cmvn("global")
    with pytest.raises(ConfigError, match="expected one of global"):
        Cmvn("batch")


def test_whiten_is_kept_by_a_checkpoint():
    spread = Spread.of([FRAMES[:20], FRAMES[20:]], "here")
    cmvn = Cmvn.whiten(spread, Whitening())
    again = Cmvn.from_dict(json.loads(json.dumps(cmvn.to_dict())))
    assert np.array_equal(again.apply(FRAMES), cmvn.apply(FRAMES))
    assert cmvn.apply(FRAMES).dtype == np.float32
    with pytest.raises(ConfigError, match="'whiten' without statistics"):
        Cmvn("whiten")
