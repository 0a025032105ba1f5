"""Which weights ``best.pt`` holds: of the best validation, or of the last."""

from __future__ import annotations

import pytest
import torch

from dstoolkit.training.best import Best
from dstoolkit.training.validation import Validation
from tests import toy


def offered(folder, keep: str, *figures: tuple[float, float]) -> dict:
    """What is kept after validations of these WERs and losses, by epochs from 1."""
    kept = Best(folder, {"config": {}}, True, keep)
    for epoch, (wer, loss) in enumerate(figures, 1):
        found = Validation(loss=loss, wer=wer, cer=0.0, hypotheses={}, references={})
        kept.offer({"epoch": epoch}, found, {"weight": torch.tensor(float(epoch))})
    state = torch.load(folder / "best.pt", weights_only=True)
    assert state["metrics"]["epoch"] == kept.figures["epoch"] == float(state["weights"]["weight"])
    return kept.figures


@pytest.mark.parametrize(("keep", "epoch"), [("best", 3), ("last", 4)])
def test_the_best_by_wer_then_loss_or_the_last(tmp_path, keep, epoch):
    found = offered(tmp_path, keep, (20.0, 1.0), (10.0, 1.0), (10.0, 0.9), (30.0, 0.1))
    assert found["epoch"] == epoch


def test_the_last_weights_of_a_training(corpus, tmp_path, dstoolkit):
    exp = tmp_path / "exp"
    dstoolkit(*toy.arguments(corpus, exp, "--set", "train.epochs=2", "--set", "train.keep=last"))
    best, last = (torch.load(exp / each, weights_only=True) for each in ("best.pt", "last.pt"))
    assert best["metrics"]["epoch"] == 2
    for name, each in last["average"].items():
        assert torch.equal(best["weights"][name], each)
