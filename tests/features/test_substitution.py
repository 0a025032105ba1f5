"""``spec_sub``: what is replaced, by what, and how much of it."""

from __future__ import annotations

import numpy as np
import pytest

from dstoolkit import config
from dstoolkit.errors import ConfigError
from dstoolkit.features.fbank import Fbank, FbankConfig
from dstoolkit.features.substitution import SpecSub, SpecSubConfig

FEATURES = Fbank(FbankConfig(), 16000)  # a frame each 10 ms


def places(seed, count=500, **options):
    """Which frame is heard at each place: ``(count,)``."""
    values = np.arange(count, dtype=np.float32)[:, None].repeat(2, axis=1)
    found = SpecSub(SpecSubConfig(**options), FEATURES, 16000)(values, np.random.default_rng(seed))
    assert (found[:, 0] == found[:, 1]).all()
    return found[:, 0].astype(int)


def test_replaced_stretches_come_from_shortly_before():
    furthest = most = 0
    for seed in range(50):
        back = np.arange(500) - places(seed)
        assert (back >= 0).all()
        changes = np.flatnonzero(np.diff(back, prepend=0, append=0))
        assert len(changes) <= 6  # three stretches in 5 s, each with two ends
        furthest, most = max(furthest, back.max()), max(most, np.count_nonzero(back))
    assert 15 <= furthest <= 20  # 0.2 s
    assert 30 <= most <= 60


def test_the_first_frame_stays_and_short_utterances_have_one_stretch():
    for seed in range(50):
        heard = places(seed, count=30)
        assert heard[0] == 0
        assert len(np.flatnonzero(np.diff(np.arange(30) - heard, prepend=0, append=0))) <= 2


@pytest.mark.parametrize("option", ["width", "reach"])
def test_nothing_to_replace_or_to_replace_it_with_changes_nothing(option):
    assert (places(0, **{option: 0.0}) == np.arange(500)).all()


def test_senseless_options_are_refused():
    with pytest.raises(ConfigError, match=r"augment.plugins\[0\]: width is -1"):
        config.build(SpecSubConfig, {"width": -1.0}, "augment.plugins[0]")
