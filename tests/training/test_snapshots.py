"""Snapshots come when they are due, by hand; they are what the weights were, and validated ones choose the best."""

from __future__ import annotations

import json
import os
import shutil
import signal

import numpy as np
import pytest
import torch

from dstoolkit import plugins
from dstoolkit.pipeline.experiment import Snapshots
from dstoolkit.training import trainer
from dstoolkit.training.snapshots import Due
from dstoolkit.training.step import Step
from dstoolkit.training.validation import Figures, Validation, only, spread
from tests import toy
from tests.clock import Hand
from tests.training.test_clocks import OPTIONS, interrupt_at, last, lines
from tests.training.test_resume import require_same, untimed


def words(*settings: str) -> list[str]:
    return [word for each in settings for word in ("--set", each)]


def recorded(exp) -> list[dict]:
    return untimed(exp / "snapshots.jsonl")


@pytest.fixture
def seen(monkeypatch):
    """Steps and metrics of the snapshots that observers are told of, with the weights that ``run.save`` writes."""
    observe, found = plugins.Registry.observe, []

    def also(self, hook, **values):
        observe(self, hook, **values)
        if hook == "dstoolkit_snapshot":
            run = values["run"]
            run.save(run.folder / "own.pt")
            own = torch.load(run.folder / "own.pt", weights_only=True)["weights"]
            found.append((run.step, values["metrics"], own, dict(run.predictions)))

    monkeypatch.setattr(plugins.Registry, "observe", also)
    return found


# When one is due


def test_whichever_comes_first_and_all_are_counted_from_0_again():
    due = Due(Snapshots(steps=3, utterances=10))
    taken = []
    for step, utterances in enumerate([4, 4, 4, 1, 1, 1, 20, 1], 1):
        due.step(utterances)
        if due.counted:
            taken.append(step)
            due.taken()
    assert taken == [3, 6, 7]


def test_minutes_count_while_it_runs_and_go_on():
    clock = Hand()
    due = Due(Snapshots(minutes=2), clock)
    clock.now += 100
    kept = due.state_dict()
    clock.now += 1e6
    due = Due(Snapshots(minutes=2), clock)
    due.load_state_dict(kept)
    assert not due.late
    clock.now += 20
    assert due.late
    due.taken()
    assert not due.late


def test_nothing_is_due_without_options():
    due = Due(Snapshots())
    due.step(10**6)
    due.epoch()
    assert (due.counted, due.late) == (False, False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"steps": -1}, "steps is -1; expected 0 or more"),
        ({"minutes": float("nan")}, "minutes is nan; expected 0 or more"),
        ({"steps": 3, "validation": -2}, "validation is -2; expected 0 or more"),
        ({"validation": "all"}, "validation is of snapshots; expected epochs, steps, utterances or minutes with it"),
    ],
)
def test_impossible_options(options, said):
    with pytest.raises(ValueError, match=said):
        Snapshots(**options)


# In a training of four steps of six utterances an epoch


@pytest.mark.parametrize(
    ("option", "steps"),
    [
        ("steps: 3", [3, 6, 9, 12, 15]),
        ("utterances: 30", [5, 10, 15]),
        ("epochs: 2", [8, 16]),
        ("epochs: 1, steps: 3", [3, 4, 7, 8, 11, 12, 15, 16]),  # each counts from the last one of any
        ("minutes: 0.5", [3, 4, 7, 8, 11, 12, 15, 16]),  # steps of 15 s, validations of 60
    ],
)
def test_snapshots_are_taken_when_due(corpus, tmp_path, dstoolkit, hand, seen, option, steps):
    exp = tmp_path / "exp"
    dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, *words(f"train.snapshots={{{option}}}")))
    assert [step for step, *_ in seen] == steps
    assert not any(metrics for _, metrics, *_ in seen)
    written = torch.load(exp / "snapshot.pt", weights_only=True)["weights"]
    assert all(torch.equal(each, written[name]) for name, each in seen[-1][2].items())
    assert not all(torch.equal(each, written[name]) for name, each in seen[0][2].items())
    assert not (exp / "snapshots.jsonl").exists()


def test_snapshots_that_are_not_validated_change_nothing_and_may_change(corpus, tmp_path, dstoolkit, monkeypatch, seen):
    from dstoolkit.pipeline.recognition import Recogniser

    whole, exp = tmp_path / "whole", tmp_path / "exp"
    dstoolkit(*toy.arguments(corpus, whole, *OPTIONS))
    interrupt_at(monkeypatch, 6)
    dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, *words("train.snapshots.steps=5")), status=130)
    dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, *words("train.snapshots.steps=4")))
    assert [step for step, *_ in seen] == [5, 9, 13]
    require_same(whole, exp, ("/snapshots/", "/config/train/snapshots/"))
    assert "already done" in dstoolkit(*toy.arguments(corpus, exp, *OPTIONS)).output
    assert Recogniser.load(exp, name="snapshot.pt").model is not None


# Validated ones

VALIDATED = words("train.snapshots={steps: 3, validation: all}")


def test_a_validation_is_recorded_shown_and_told(corpus, tmp_path, dstoolkit, seen):
    exp = tmp_path / "exp"
    said = dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, *VALIDATED)).output
    found = recorded(exp)
    assert [(each["epoch"], each["step"]) for each in found] == [(1, 3), (2, 6), (3, 9), (4, 15)]
    assert [step for step, metrics, *_ in seen if metrics] == [3, 6, 9, 15]
    assert [step for step, metrics, *_ in seen if not metrics] == [12]  # the epoch's own validation is of these weights
    assert {each["utterances"] for each in found} == {6}
    assert len(seen[0][3]) == 6
    assert f"epoch   2, step 6  dev loss {found[1]['dev_loss']:.3f}  WER {found[1]['dev_wer']:5.1f} %" in said


def test_the_figures_of_a_snapshot_are_those_of_its_weights(corpus, tmp_path, dstoolkit):
    """Decoded and scored by the commands."""
    exp = tmp_path / "exp"
    dstoolkit(*toy.arguments(corpus, exp, *words("train.epochs=12", "train.batches.size=6"), *VALIDATED))
    shutil.copytree(exp, tmp_path / "copy")
    shutil.copy(exp / "snapshot.pt", tmp_path / "copy/best.pt")
    dstoolkit("decode", tmp_path / "copy", corpus / "dev", "--out", tmp_path / "out", "--device", "cpu")
    hypothesis, reference = tmp_path / "out/text", corpus / "dev/text"
    dstoolkit("score", "--ref", reference, "--hyp", hypothesis, "--out", tmp_path / "score")
    wer = json.loads((tmp_path / "score/wer.json").read_text())["wer"]
    metrics = torch.load(exp / "snapshot.pt", weights_only=True)["metrics"]
    assert metrics["dev_wer"] == pytest.approx(100 * wer["errors"] / wer["reference_length"])


def scripted(monkeypatch, figures):
    """Validations give these figures, one after another; how many the calls are to hear, and of how many apart."""
    calls, left = [], iter(figures)

    def validate(model, dataset, loss, decoder, batches, world, sample):
        calls.append((sum(map(len, batches)), None if sample is None else len(sample)))
        found = next(left)
        return Validation(*found[:3], {"u": "x"}, {"u": "y"}, Figures(*found[3]) if len(found) > 3 else None)

    monkeypatch.setattr(trainer, "validate", validate)
    return calls


def test_the_best_of_all_validations_is_kept(corpus, tmp_path, dstoolkit, monkeypatch):
    """Loss, WER and CER at steps 3, 4, 7 and 8: the third is the best."""
    exp = tmp_path / "exp"
    plain = words("train.epochs=2", "train.batches.size=6", "train.snapshots={steps: 3, epochs: 1, validation: all}")
    calls = scripted(monkeypatch, [(3.0, 90, 1), (2.0, 80, 1), (2.0, 40, 1), (1.0, 50, 1)])
    said = dstoolkit(*toy.arguments(corpus, exp, *plain)).output
    assert calls == [(6, None)] * 4
    best = torch.load(exp / "best.pt", weights_only=True)
    assert best["metrics"]["step"] == 7
    snapshot = torch.load(exp / "snapshot.pt", weights_only=True)["weights"]
    end = last(exp)["average"]
    assert all(torch.equal(each, end[name]) for name, each in snapshot.items())  # the epoch's end
    assert not all(torch.equal(each, end[name]) for name, each in best["weights"].items())
    assert [line.endswith("best") for line in said.splitlines() if ", step" in line] == [True, True]


def test_validations_of_a_sample_are_compared_by_it(corpus, tmp_path, dstoolkit, monkeypatch):
    """The whole set finds step 4 the best, the sample, which all have heard, step 7."""
    sampled = [(2.0, 60, 1), (1.0, 10, 1, (2.0, 50, 1)), (2.0, 30, 1), (1.0, 20, 1, (2.0, 40, 1))]
    figures = [(*each, (each[0], each[1], each[2])) if len(each) == 3 else each for each in sampled]
    calls = scripted(monkeypatch, figures)
    exp = tmp_path / "exp"
    option = "train.snapshots={steps: 3, epochs: 1, validation: 2}"
    dstoolkit(*toy.arguments(corpus, exp, *words("train.epochs=2", "train.batches.size=6", option)))
    assert calls == [(2, 2), (6, 2), (2, 2), (6, 2)]
    assert torch.load(exp / "best.pt", weights_only=True)["metrics"]["step"] == 7
    assert [each["sample_wer"] for each in lines(exp)] == [50, 40]
    assert [each["dev_wer"] for each in lines(exp)] == [10, 20]


def test_a_sample_is_the_same_each_time_and_its_figures_are_those_of_its_own(corpus, tmp_path, dstoolkit, monkeypatch):
    """Heard alone, and as a part of the whole, in whatever order."""
    validate, both = trainer.validate, []

    def twice(*arguments):
        *others, batches, world, sample = arguments
        alone = validate(*others, only(batches, sample), world, sample)
        both.append((validate(*arguments), alone, sample.tolist()))
        return both[-1][0]

    monkeypatch.setattr(trainer, "validate", twice)
    options = ("train.epochs=12", "train.batches.size=6", "train.dev_batches={size: 4, order: shuffled}")
    settings = words(*options, "train.snapshots={steps: 45, validation: 3}")
    dstoolkit(*toy.arguments(corpus, tmp_path / "exp", *settings))
    for one, alone, _ in both:
        assert one.sample.loss == pytest.approx(alone.loss, rel=1e-5)
        assert (one.sample.wer, one.sample.cer) == (alone.wer, alone.cer)
    (snapshot,) = recorded(tmp_path / "exp")
    assert (snapshot["step"], snapshot["utterances"]) == (45, 3)
    assert snapshot["dev_loss"] == snapshot["sample_loss"]
    assert {len(whole.hypotheses) for whole, *_ in both} == {3, 6}
    assert len({tuple(sample) for *_, sample in both}) == 1


def test_spread_is_even_over_the_lengths():
    lengths = np.array([30, 10, 50, 10, 99, 20, 99, 40])
    batches = [np.array([7, 3]), np.array([5]), np.array([0, 1, 2])]
    assert spread(batches, lengths, 2).tolist() == [3, 7]  # of 1, 3, 5, 0, 7, 2
    assert spread(batches[::-1], lengths, 3).tolist() == [3, 0, 2]
    assert spread(batches, lengths, 99).tolist() == [1, 3, 5, 0, 7, 2]
    assert [each.tolist() for each in only(batches, np.array([2, 7]))] == [[7], [2]]


# Going on


def test_interrupted_anywhere_it_goes_on_to_the_same_bits_and_snapshots(corpus, tmp_path, dstoolkit, monkeypatch):
    """Once in each step and in each validation."""
    whole, exp, take, validate = tmp_path / "whole", tmp_path / "exp", Step.take, trainer.validate
    options = [*OPTIONS, *words("train.snapshots={steps: 3, validation: 4}", "train.epochs=2")]
    dstoolkit(*toy.arguments(corpus, whole, *options))
    told = []

    def once(*moment):
        if moment not in told:
            told.append(moment)
            os.kill(os.getpid(), signal.SIGINT)

    def stepping(self, number, *arguments):
        once("step", number)
        return take(self, number, *arguments)

    def validating(*arguments):
        once("validation", told[-1][1])  # after this step
        return validate(*arguments)

    monkeypatch.setattr(Step, "take", stepping)
    monkeypatch.setattr(trainer, "validate", validating)
    for _ in range(12):
        dstoolkit(*toy.arguments(corpus, exp, *options), status=130)
    dstoolkit(*toy.arguments(corpus, exp, *options))
    assert told == sorted(
        [("step", at) for at in range(1, 9)] + [("validation", at) for at in (3, 4, 6, 8)], key=at_step
    )
    require_same(whole, exp)
    assert [each["step"] for each in recorded(exp)] == [3, 6]


def at_step(moment):
    return moment[1], moment[0]


def test_validated_snapshots_are_a_part_of_what_was_made(corpus, tmp_path, dstoolkit):
    exp = tmp_path / "exp"
    dstoolkit(*toy.arguments(corpus, exp, *words("train.epochs=1"), *VALIDATED))
    refused = dstoolkit(*toy.arguments(corpus, exp, *words("train.epochs=1", "train.snapshots.steps=3")), status=2)
    assert "train.snapshots.steps was 3, now absent" in refused.output
