"""What the tests of trainings share."""

from __future__ import annotations

import pytest
import torch

from tests import toy


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Features, texts and a tokenizer that a small model learns in a second."""
    return toy.make(tmp_path_factory.mktemp("toy"))


@pytest.fixture(autouse=True)
def one_thread():
    """Sums of one thread are the same on any machine."""
    torch.set_num_threads(1)
