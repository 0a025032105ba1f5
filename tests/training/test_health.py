"""Each kind of trouble is named once, with what to do; what is usual is not named."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from dstoolkit.errors import DataError
from dstoolkit.training.health import BLANK_EPOCHS, EVERY, NORMS, Health
from dstoolkit.training.validation import Validation

SPOKEN = Validation(1.0, 50.0, 20.0, {"a": "", "b": "x"}, {"a": "lo", "b": "y"})
SILENT = Validation(1.0, 100.0, 100.0, {"a": "", "b": ""}, {"a": "lo", "b": "y"})


@pytest.fixture
def health(tmp_path) -> Health:
    return Health(tmp_path, 5)


@pytest.fixture
def warnings(capsys):
    """The lines of warning since they were last asked for."""

    def read() -> list[str]:
        lines = capsys.readouterr().err.splitlines()
        assert all(line.startswith("warning: ") for line in lines)
        return [line.removeprefix("warning: ") for line in lines]

    return read


def run(health: Health, losses, validation=SPOKEN, dev=None, wer=None, lr=1e-3) -> None:
    """Epochs of these training losses."""
    for at, loss in enumerate(losses):
        rate = lr if isinstance(lr, float) else lr[at]
        metrics = {"train_loss": loss, "lr": rate, "dev_loss": dev[at] if dev else loss}
        health.epoch(len(health.past) + 1, metrics | {"dev_wer": wer[at] if wer else 100 / (at + 1)}, validation)


def test_a_usual_training_is_left_in_peace(health, warnings):
    rng = np.random.default_rng(1)
    for step in range(3000):
        health.step(step, 1.0, float(5 * np.exp(rng.normal())))
        health.taken()
    decay = [3 * 0.9**epoch + 0.02 for epoch in range(60)]
    run(health, decay, lr=[1e-3 * (1 - epoch / 60) for epoch in range(60)])
    assert warnings() == []


def test_utterances_without_a_finite_loss_are_named_ten_at_a_time_and_later_ones_once_an_epoch(health, warnings):
    health.undefined(7, [f"u{at}" for at in range(13)])
    (line,) = warnings()
    assert line.startswith("step 7: the loss of 'u0', 'u1', ")
    assert "'u9' and 3 more is not finite; " in line
    health.undefined(8, ["v1"])
    health.undefined(9, ["v2", "v1"])
    assert warnings() == []
    run(health, [1.0])
    assert warnings() == ["epoch 1: the loss of 2 more utterances was not finite: 'v1', 'v2'"]
    health.undefined(20, ["w"])
    run(health, [0.9])
    assert warnings() == []
    run(health, [0.9 - 0.01 * at for at in range(EVERY)])
    health.undefined(90, ["w"])
    assert warnings()[0].startswith("step 90: the loss of 'w' is not finite")


def test_skipped_steps_are_named_once_and_stop_a_training_after_so_many_in_a_row(tmp_path, health, warnings):
    for step in range(4):
        health.skipped(step)
    health.taken()
    for step in range(5, 9):
        health.skipped(step)
    assert [line[:15] for line in warnings()] == ["step 0 skipped:"]
    with pytest.raises(DataError) as caught:
        health.skipped(9)
    advice = "5 steps in a row without a finite loss; lower train.lr or see the data"
    assert str(caught.value) == f"{tmp_path}: {advice}"


def test_exploding_gradients_are_named_but_no_single_one_nor_a_slow_rise(health, warnings):
    for step in range(NORMS):
        health.step(step, 1.0, 2.0)
    health.step(NORMS, 1.0, 1e6)
    health.step(NORMS + 1, math.nan, math.nan)
    for step in range(1000):
        health.step(step, 1.0, 2.0 * 1.005**step)  # 150 times in all
    assert warnings() == []
    for step in range(1000, 1020):
        health.step(step, 1.0, 1e5)
    (line,) = warnings()
    assert "gradient norms about 1e+05, " in line
    assert "lower train.lr" in line


def test_empty_outputs_are_named_as_the_usual_plateau_it_may_be(health, warnings):
    run(health, [3.0 - 0.1 * epoch for epoch in range(BLANK_EPOCHS - 1)], SILENT)
    assert warnings() == []
    run(health, [2.7], SILENT)
    (line,) = warnings()
    assert line.startswith(f"epoch {BLANK_EPOCHS}: all outputs empty for {BLANK_EPOCHS} epochs; usual at first")
    run(health, [2.6 - 0.1 * epoch for epoch in range(EVERY - 1)], SILENT)
    assert warnings() == []
    run(health, [1.6], SILENT)
    assert [line.split(";")[0] for line in warnings()] == ["epoch 13: all outputs empty for 13 epochs"]
    run(health, [1.5 - 0.01 * at for at in range(2 * EVERY)], SPOKEN)
    assert warnings() == []


def test_a_frozen_loss_is_named(health, warnings):
    run(health, [2.9, 2.5, 2.4, 2.401, 2.4, 2.402, 2.4])
    assert warnings() == []
    run(health, [2.401])
    (line,) = warnings()
    assert line.startswith("epoch 8: training loss between 2.4000 and 2.4020 for 5 epochs; raise train.lr")


@pytest.mark.parametrize(
    ("losses", "lr", "validation"),
    [
        ([0.05] * 9, 1e-3, SPOKEN),  # as low as it gets
        ([1.0] * 9, [1e-3] * 3 + [1e-5] * 6, SPOKEN),  # the schedule's end
        ([1.0] * 9, 0.0, SPOKEN),
        ([1.0, 1.01, math.nan, 1.0, 1.0, 1.0, 1.0], 1e-3, SPOKEN),
        ([2.9] * 9, 1e-3, SILENT),  # the plateau of blanks, named as that
    ],
)
def test_a_loss_that_may_rest_is_not_frozen(health, warnings, losses, lr, validation):
    run(health, losses, validation, lr=lr)
    assert not any("training loss between" in line for line in warnings())


def test_overfitting_is_named_where_nothing_gets_better(health, warnings):
    train = [1 / epoch for epoch in range(1, 31)]
    dev = [max(1 / epoch, 0.2 + 0.02 * (epoch - 5)) for epoch in range(1, 31)]
    falling = [100 / epoch for epoch in range(1, 31)]
    run(health, train, dev=dev, wer=falling)
    assert warnings() == []  # the loss rises, but the words get better
    other = Health(health.folder, 5)
    run(other, train, dev=dev, wer=[max(each, 20.0) for each in falling])
    lines = warnings()
    assert [line[:9] for line in lines] == ["epoch 15:", "epoch 25:"]  # the best is the fifth
    assert "its loss up from 0.200 to 0.400" in lines[0]


def live(health: Health, first: int, last: int) -> Health:
    """Epochs ``first`` to ``last`` of a training that goes wrong in every way."""
    for epoch in range(first, last + 1):
        for step in range(40):
            health.step(step, 1.0, 2.0 if epoch < 4 else 1e4)
        health.undefined(3, [f"u{epoch}"])
        health.skipped(4)
        if epoch % 2:
            health.taken()
        run(health, [2.0], SILENT)
    return health


def test_going_on_neither_repeats_nor_forgets(tmp_path, warnings):
    straight = live(Health(tmp_path, 5), 1, 12)
    whole = warnings()
    assert len({line.split(":")[1] for line in whole}) >= 5
    for stop in range(1, 12):
        stopped = live(Health(tmp_path, 5), 1, stop)
        resumed = Health(tmp_path, 5)
        resumed.load_state_dict(json.loads(json.dumps(stopped.state_dict())))
        assert live(resumed, stop + 1, 12).state_dict() == straight.state_dict()
        assert warnings() == whole
