"""Averages against NumPy's means, what is kept against sorting, and kills at every moment of an offer."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.training.averaging import Average, Kept

VALIDATIONS = st.lists(st.tuples(st.sampled_from([0.0, 5.0, 10.0]), st.sampled_from([0.1, 0.2])), max_size=7)


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


def weights(epoch: int) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(epoch)
    values = torch.from_numpy(rng.normal(size=(3, 2)).astype(np.float32))
    return {"dense": values, "running": values[0] * 1e4, "steps": torch.tensor(100 * epoch)}


def best(validations: dict[int, tuple[float, float]], count: int) -> list[int]:
    """Sorted by WER, then loss, then the later epoch, one key after another, the least first."""
    order = sorted(validations, reverse=True)
    order.sort(key=lambda epoch: validations[epoch][1])
    order.sort(key=lambda epoch: validations[epoch][0])
    return sorted(order[:count])


def files(folder) -> list[str]:
    return sorted(each.name for each in (folder / "epochs").iterdir())


def test_average_follows_its_formula_in_buffers_too():
    model = torch.nn.BatchNorm1d(1)
    average = Average(model, 0.5)
    expected, mean = 1.0, 0.0
    for step in range(1, 30):
        with torch.no_grad():
            model.weight.fill_(float(step))
            model.running_mean.fill_(float(-step))
            model.num_batches_tracked.fill_(step)
        average.update(model, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        mean = decay * mean - (1 - decay) * step
        assert average.model.weight.item() == pytest.approx(expected, rel=1e-5)
        assert average.model.running_mean.item() == pytest.approx(mean, rel=1e-5)
        assert average.model.num_batches_tracked.item() == step
    assert not average.model.training


@settings(deadline=None, max_examples=30)
@given(VALIDATIONS, st.integers(1, 3), st.sampled_from(["best", "last"]), st.booleans())
def test_what_is_kept_equals_sorting_and_its_mean_equals_numpys(tmp_path_factory, validations, count, of, reopened):
    folder = tmp_path_factory.mktemp("run")
    kept = Kept(folder, of, count)
    for epoch, (wer, loss) in enumerate(validations, 1):
        kept = Kept(folder, of, count) if reopened else kept
        kept.offer(epoch, wer, loss, weights(epoch))
    epochs = list(range(1, len(validations) + 1))
    expected = best(dict(zip(epochs, validations, strict=True)), count) if of == "best" else epochs[-count:]
    assert kept.chosen() == expected
    average = kept.average()
    if not expected:
        assert average is None
        return
    assert len(files(folder)) <= count + 1
    for name in ("dense", "running"):
        mean = np.mean([weights(epoch)[name].numpy().astype(np.float64) for epoch in expected], axis=0)
        assert average[name].dtype == torch.float32
        np.testing.assert_allclose(average[name].numpy(), mean.astype(np.float32), rtol=2e-7, atol=0)
    assert average["steps"] == 100 * expected[-1]


def test_a_mean_in_float64_where_float32_would_round(tmp_path):
    kept = Kept(tmp_path, "last", 3)
    for epoch, value in enumerate((2.0**25, 1.0, 1.0), 1):
        kept.offer(epoch, 0.0, 0.0, {"a": torch.tensor([value])})
    assert kept.average()["a"].item() == np.float32((2**25 + 2) / 3)


def test_a_count_of_0_writes_nothing(tmp_path):
    kept = Kept(tmp_path, "best", 0)
    kept.offer(1, 0.0, 0.0, weights(1))
    kept.drop_after(0)
    assert kept.average() is None
    assert list(tmp_path.iterdir()) == []


def test_a_validation_without_a_number_is_the_worst(tmp_path):
    kept = Kept(tmp_path, "best", 2)
    for epoch, (wer, loss) in enumerate([(5.0, 1.0), (5.0, float("nan")), (float("nan"), 0.0), (5.0, 2.0)], 1):
        kept.offer(epoch, wer, loss, weights(epoch))
    assert kept.chosen() == [1, 4]


VALIDATED = [(9.0, 1.0), (5.0, 1.0), (5.0, 2.0), (4.0, 1.0), (8.0, 1.0), (3.0, 1.0)]


def train(folder, validations, of, start=1):
    """As the trainer does: an offer, then the checkpoint, which here is the number of the epoch that is done."""
    folder.mkdir(exist_ok=True)
    kept = Kept(folder, of, 2)
    kept.drop_after(start - 1)
    for epoch in range(start, len(validations) + 1):
        kept.offer(epoch, *validations[epoch - 1], weights(epoch))
        (folder / "last").write_text(str(epoch))
    return kept


def killed(folder, moment, monkeypatch, of) -> bool:
    """A training ended at its ``moment``-th rename, removal or checkpoint, if it has as many."""
    left = moment

    def counted(change):
        def changing(*arguments, **options):
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return change(*arguments, **options)

        return changing

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", counted(os.replace))
        patched.setattr(Path, "unlink", counted(Path.unlink))
        patched.setattr(Path, "write_text", counted(Path.write_text))
        try:
            train(folder, VALIDATED, of)
        except Killed:
            return True
    return False


@pytest.mark.parametrize("of", ["best", "last"])
def test_killed_before_any_change_of_the_disk_it_goes_on_to_the_right_choice(tmp_path, monkeypatch, of):
    """The epochs that are trained again come out differently (a GPU does not repeat to the bit), and better or worse:
    what was offered before the kill and is not done must leave no trace, and what is done must all be there."""
    moment = 0
    while killed(folder := tmp_path / str(moment), moment, monkeypatch, of):
        done = int((folder / "last").read_text()) if (folder / "last").exists() else 0
        again = VALIDATED[:done] + [(7.0, 1.0)] * (len(VALIDATED) - done)
        kept = train(folder, again, of, start=done + 1)
        expected = best(dict(enumerate(again, 1)), 2) if of == "best" else [5, 6]
        assert kept.chosen() == Kept(folder, of, 2).chosen() == expected
        assert not any(name.startswith(".") for name in files(folder))
        moment += 1
    assert moment >= 13


def test_a_run_that_goes_on_from_an_earlier_epoch_forgets_the_later_ones(tmp_path):
    kept = train(tmp_path, [(3.0, 1.0), (2.0, 1.0), (1.0, 1.0)], "best")
    kept.drop_after(2)
    assert kept.chosen() == [1, 2]
    kept = Kept(tmp_path, "best", 2)  # began anew from epoch 1, without a word: what is offered again counts
    kept.offer(1, 9.0, 1.0, weights(7))
    assert kept.chosen() == [1]
    torch.testing.assert_close(kept.average(), weights(7), rtol=0, atol=0)
