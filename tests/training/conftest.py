"""What the tests of trainings share."""

from __future__ import annotations

import functools

import pytest
import torch

from tests import toy
from tests.clock import Hand


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Features, texts and a tokenizer that a small model learns in a second."""
    return toy.make(tmp_path_factory.mktemp("toy"))


@pytest.fixture(autouse=True)
def one_thread():
    """Sums of one thread are the same on any machine."""
    torch.set_num_threads(1)


@pytest.fixture
def hand(monkeypatch):
    """The clock of the trainings meanwhile: a step takes 10 s, what comes after it 5 s, a validation 60 s."""
    from dstoolkit.training import state, trainer
    from dstoolkit.training.clocks import Clocks
    from dstoolkit.training.step import Step

    clock = Hand()
    monkeypatch.setattr(state, "Clocks", functools.partial(Clocks, now=clock))
    for owner, name, seconds in ((Step, "take", 10), (trainer.Trainer, "follow", 5), (trainer, "validate", 60)):
        monkeypatch.setattr(owner, name, clock.turned_by(getattr(owner, name), seconds))
    return clock
