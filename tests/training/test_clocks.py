"""Four stop-watches by a clock that is turned by hand, and trainings that they end and that go on."""

from __future__ import annotations

import json
import math
import os
import signal
from pathlib import Path

import pytest
import torch

from dstoolkit.training import trainer
from dstoolkit.training.clocks import NAMES, Clocks
from dstoolkit.training.step import Step
from tests import toy
from tests.clock import Hand
from tests.training.test_resume import require_same, untimed

# Four steps an epoch, with all that a state could be forgotten of.
OPTIONS = [
    word
    for each in (
        "encoder.dropout=0.2",
        "augment.stretch=0.1",
        "train.epochs=4",
        "train.batches={size: 6, order: shuffled}",
        "train.average=2",
    )
    for word in ("--set", each)
]
ENDLESS = ("train.epochs=0", "train.scheduler=constant", "train.warmup=0")


def limit(minutes: float, of: str = "all", *more: str) -> list[str]:
    """Words of the command line."""
    return [word for each in (f"train.minutes={minutes}", f"train.minutes_of={of}", *more) for word in ("--set", each)]


def last(exp: Path) -> dict:
    return torch.load(exp / "last.pt", weights_only=True)


def lines(exp: Path) -> list[dict]:
    return [json.loads(line) for line in (exp / "metrics.jsonl").read_text().splitlines()]


def interrupt_at(monkeypatch, number: int) -> None:
    """A signal while this step is taken, once."""
    take = Step.take

    def interrupted(self, at, *arguments):
        if at == number:
            monkeypatch.setattr(Step, "take", take)
            os.kill(os.getpid(), signal.SIGINT)
        return take(self, at, *arguments)

    monkeypatch.setattr(Step, "take", interrupted)


def test_clocks_run_stand_and_go_on():
    hand = Hand()
    clocks = Clocks(1, "train", hand)
    with clocks.running("all"):
        hand.now += 1
        with clocks.running("train"):
            hand.now += 2
            with clocks.standing("train"), clocks.running("validate"):
                hand.now += 4
            with clocks.running("batch"):
                hand.now += 8
                assert clocks.seconds("train") == 10
    shown = {"all": 15, "train": 10, "batch": 8, "validate": 4}
    assert clocks.state_dict() == shown
    assert set(shown) == set(NAMES)
    hand.now += 1000
    after = Clocks(1, "train", hand)
    after.load_state_dict(shown)
    assert (after.left(), after.over) == (50, False)
    with after.running("train"):
        hand.now += 50
        assert (after.left(), after.over) == (0, True)
    assert after.over


def test_without_a_limit_it_is_never_over_and_a_time_that_stands_is_not_left():
    hand = Hand()
    for clocks in (Clocks(now=hand), Clocks(1, "validate", hand)):
        with clocks.running("all"), clocks.running("train"):
            hand.now += 1e9
            assert not clocks.over
            assert clocks.left() == math.inf


@pytest.mark.parametrize(
    ("of", "minutes", "step"),
    [
        ("batch", 1, 6),  # 10 s each
        ("train", 1.1, 5),  # 15 s each
        ("all", 2.4, 6),  # 15 s each, and 60 s after the fourth
        ("validate", 1.5, 8),  # 60 s after each epoch
    ],
)
def test_a_training_ends_by_each_clock_whole_and_validated(corpus, tmp_path, dstoolkit, hand, of, minutes, step):
    exp = tmp_path / "exp"
    said = dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, *limit(minutes, of))).output
    within = f", {step % 4} steps into the next" if step % 4 else ""
    assert f"the time, {minutes} minutes, is over after epoch {step // 4}{within}\n" in said
    found = last(exp)
    assert (found["step"], found["epoch"], found["taken"]) == (step, step // 4, step % 4)
    assert (found["clocks"]["batch"], found["clocks"]["validate"] % 60) == (10 * step, 0)
    history = lines(exp)
    assert [each["step"] for each in history] == [4, step]
    assert history[-1].get("steps_of_epoch") == (step % 4 or None)
    assert (exp / "best.pt").exists()
    assert (exp / "stamp.json").exists()
    assert "already done" in dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, *limit(minutes, of))).output
    assert last(exp)["step"] == step


def test_validated_snapshots_are_time_of_validations_and_not_of_steps(corpus, tmp_path, dstoolkit, hand):
    exp, snapshots = tmp_path / "exp", "train.snapshots={steps: 2, validation: all}"
    dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, *limit(1.1, "train", snapshots)))
    found = last(exp)
    assert (found["step"], found["clocks"]["train"]) == (5, 75)
    assert found["clocks"]["validate"] == 4 * 60  # after steps 2, 4 and 5, and of the average


def test_one_step_is_taken_however_short_the_time(corpus, tmp_path, dstoolkit):
    exp = tmp_path / "exp"
    dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, *limit(1e-9)))
    assert last(exp)["step"] == 1
    assert (exp / "best.pt").exists()


def test_what_the_time_ended_goes_on_to_the_same_bits(corpus, tmp_path, dstoolkit, hand, monkeypatch):
    """Twice ended, once interrupted, and in the end as if none of it had been."""
    whole, exp = tmp_path / "whole", tmp_path / "exp"
    dstoolkit(*toy.arguments(corpus, whole, *OPTIONS))
    dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, *limit(1, "batch")))
    interrupt_at(monkeypatch, 8)
    dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, *limit(100, "batch")), status=130)
    said = dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, *limit(2, "batch"))).output
    assert "the time, 2 minutes, is over after epoch 3\n" in said
    said = dstoolkit(*toy.arguments(corpus, exp, *OPTIONS)).output
    assert "going on after epoch 3 of 4\n" in said
    (cut,) = untimed(exp / "snapshots.jsonl")  # the epoch of that line is whole by now
    assert (cut["step"], cut["epoch"]) == (6, 2)
    (exp / "snapshots.jsonl").unlink()
    require_same(whole, exp)
    assert "already done" in dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, *limit(1000))).output


def test_the_clocks_survive_an_interruption(corpus, tmp_path, dstoolkit, hand, monkeypatch):
    exp, command = tmp_path / "exp", limit(1, "batch")
    interrupt_at(monkeypatch, 3)
    dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, *command), status=130)
    hand.now += 1e6  # between the two runs
    dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, *command))
    assert last(exp)["step"] == 6


def test_an_end_that_is_interrupted_in_its_validation_is_validated_later(
    corpus, tmp_path, dstoolkit, hand, monkeypatch
):
    exp, command, validate = tmp_path / "exp", limit(0.5, "batch"), trainer.validate

    def interrupted(*arguments):
        monkeypatch.setattr(trainer, "validate", validate)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("not interrupted")

    monkeypatch.setattr(trainer, "validate", interrupted)
    dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, *command), status=130)
    assert not (exp / "best.pt").exists()
    dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, *command))
    assert [each["step"] for each in lines(exp)] == [last(exp)["step"]] == [3]
    assert (exp / "best.pt").exists()
    assert (exp / "stamp.json").exists()


def test_an_experiment_without_its_checkpoint_stays_done(corpus, tmp_path, dstoolkit, hand):
    exp = tmp_path / "exp"
    dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, *limit(0.5, "batch")))
    (exp / "last.pt").unlink()
    assert "already done" in dstoolkit(*toy.arguments(corpus, exp, *OPTIONS)).output


def test_a_training_without_an_end_is_that_of_as_many_epochs(corpus, tmp_path, dstoolkit, hand, monkeypatch):
    """Endless until an interruption, and then until the time is over; the epochs have no number behind them."""
    some, exp = tmp_path / "some", tmp_path / "exp"
    dstoolkit(*toy.arguments(corpus, some, *OPTIONS, *limit(0, "all", *ENDLESS, "train.epochs=3")))
    interrupt_at(monkeypatch, 9)
    said = dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, *limit(0, "all", *ENDLESS)), status=130).output
    assert "epoch   2  loss" in said
    said = dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, *limit(2, "batch", *ENDLESS))).output
    assert "going on after epoch 2, 1 steps into the next\n" in said
    one, other = last(some), last(exp)
    assert one["step"] == other["step"] == 12
    for part in ("model", "average"):
        assert all(torch.equal(each, other[part][name]) for name, each in one[part].items())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "train.epochs: 0 needs a schedule that is not made for a number of steps, as 'cosine' is; expected"),
        (("train.scheduler=noam",), "as 'noam' is; expected train.scheduler constant, inverse or plateau"),
        (("train.scheduler=inverse",), "train.epochs: 0 needs a schedule without a warm-up; 0.15 is a share"),
        (("train.scheduler={name: plateau, warmup: 0.2}", "train.warmup=0"), "warm-up; 0.2 is a share of"),
    ],
)
def test_schedules_that_want_an_end_are_refused_without_one(corpus, tmp_path, dstoolkit, more, said):
    words = [word for each in ("train.epochs=0", *more) for word in ("--set", each)]
    assert said in dstoolkit(*toy.arguments(corpus, tmp_path / "exp", *words), status=2).output
    assert not (tmp_path / "exp").exists()
