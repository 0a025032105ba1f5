"""When a call ends, and what the next one does: ``stop_when`` by a clock turned by hand, and ``checkpoint``."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from dstoolkit_kur import aims, observing
from dstoolkit_kur.aims import Aim, Done
from dstoolkit_kur.stopping import Length

from dstoolkit.cli.main import cli
from dstoolkit.pipeline import checkpoint
from dstoolkit.training import trainer
from dstoolkit.training.validation import Figures, Validation

BATCHES = "provider: {batch_size: 2}\n"  # four steps an epoch


def train(path, status=0):
    result = CliRunner().invoke(cli, ["train", str(path), "--device", "cpu"])
    assert result.exit_code == status, (result.output, result.exception)
    return result.output


def last(data):
    return checkpoint.load(data / "exp/tones/last.pt")


def same(one, other):
    return all((one[name] == other[name]).all() for name in one)


# Aims


@pytest.mark.parametrize(
    ("length", "aim"),
    [
        (Length(), Aim()),
        (Length(2), Aim(5)),
        (Length(2, total=True), Aim(3)),  # never less than there is
        (Length(7, total=True), Aim(7)),
        (Length(minutes=1.5, clock="batch"), Aim(0, 3.5, "batch")),
        (Length(minutes=1.5, clock="batch", total=True), Aim(0, 1.5, "batch")),
        (Length(2, 1.0, "validate"), Aim(5, 1.0, "validate")),
    ],
)
def test_aims_after_three_epochs_and_two_minutes_of_steps(length, aim):
    assert aims.after(length, Done(3, False, {"all": 500.0, "batch": 120.0})) == aim


def test_an_epoch_that_the_time_cut_counts_for_the_next_call_and_not_for_a_total():
    assert aims.after(Length(2), Done(3, True)) == Aim(6)
    assert aims.after(Length(2, total=True), Done(3, True)) == Aim(3)


# The time


@pytest.mark.parametrize(
    ("elapsed", "step"),
    [
        ("{minutes: 1, clock: batch}", 6),  # 10 s each
        ("{minutes: 1.1, clock: train}", 5),  # 15 s each
        ("2.4", 6),  # 15 s each, and 60 s after the fourth
        ("{hours: 0.04, clock: all}", 6),
        ("{minutes: 1.5, clock: validate}", 8),  # 60 s after each epoch
    ],
)
def test_each_call_has_the_time_by_its_clock(write, data, hand, elapsed, step):
    path = write(f"{BATCHES}stop_when: {{elapsed: {elapsed}}}\nweights: {{last: last.pt}}\nlog: log")
    said = train(path)
    assert "minutes, is over after epoch" in said
    assert last(data)["step"] == step
    assert (data / "exp/tones/stamp.json").exists()
    assert (data / "exp/tones/best.pt").exists()
    assert same(checkpoint.load(data / "last.pt")["weights"], last(data)["model"])
    logged = [json.loads(line) for line in (data / "log/metrics.jsonl").read_text().splitlines()]
    assert [each["step"] for each in logged] == [4, step]
    train(path)
    assert last(data)["step"] > step


def test_additional_time_comes_to_the_bits_of_one_training(write, data, hand, interrupt):
    """Three calls of half a minute of steps each, one of them interrupted: nine steps."""
    half = f"{BATCHES}stop_when: {{elapsed: {{minutes: 0.5, clock: batch}}}}"
    train(write(half))
    assert last(data)["step"] == 3
    interrupt(5)
    train(write(half), status=1)
    hand.now += 1e6  # between two calls
    assert "going on after epoch 1 of" not in train(write(half))
    assert last(data)["step"] == 6  # its own end, no later
    train(write(half))
    parts = last(data)
    assert (parts["step"], parts["epoch"], parts["taken"]) == (9, 2, 1)
    whole = f"{BATCHES}stop_when: {{elapsed: {{minutes: 1.5, clock: batch}}}}"
    result = CliRunner().invoke(cli, ["train", str(write(whole)), "--device", "cpu", "--force"])
    assert result.exit_code == 0
    assert same(parts["model"], last(data)["model"])


def test_total_time_is_of_all_calls(write, data, hand, interrupt):
    path = write(f"{BATCHES}stop_when: {{mode: total, elapsed: {{minutes: 0.8, clock: batch}}}}")
    interrupt(2)
    train(path, status=1)
    train(path)
    assert last(data)["step"] == 5
    assert "already done" in train(path)
    assert last(data)["step"] == 5


@pytest.mark.parametrize(("elapsed", "steps"), [(10, [4, 8]), (0.5, [3, 6])])
def test_whichever_of_epochs_and_time_comes_first(write, data, hand, elapsed, steps):
    path = write(f"{BATCHES}stop_when: {{epochs: 1, elapsed: {{minutes: {elapsed}, clock: batch}}}}")
    found = []
    for _ in steps:
        train(path)
        found.append(last(data)["step"])
    assert found == steps


# Checkpoints


@pytest.fixture
def written(monkeypatch):
    """Step and name of each file of weights that is written."""
    write, found = observing.write, []

    def also(run, path):
        found.append((run.step, path.name))
        write(run, path)

    monkeypatch.setattr(observing, "write", also)
    return found


@pytest.mark.parametrize(
    ("amount", "steps"),
    [
        ("epochs: 2", [8]),
        ("batches: 3", [3, 6]),
        ("samples: 10", [5]),
        ("minutes: 0.5", [3, 4, 7, 8]),  # steps of 15 s, validations of 60
        ("batches: 3, epochs: 1", [3, 4, 7, 8]),
        ("path: other.pt", [4, 8]),
    ],
)
def test_checkpoints_are_written_after_each_amount(write, data, hand, written, amount, steps):
    train(write(f"{BATCHES}epochs: 2\ncheckpoint: {{{amount}}}"))
    name = "other.pt" if "path" in amount else "checkpoint"
    assert written == [(step, name) for step in steps]
    kept = checkpoint.load(data / name)["weights"]
    assert same(kept, last(data)["model"]) == (steps[-1] == 8)


def scripted(monkeypatch, losses):
    """Validations give these losses one after another; how many of the two utterances each was to hear."""
    heard, left = [], iter(losses)

    def validate(model, dataset, loss, decoder, batches, world, sample):
        heard.append(sum(map(len, batches)))
        found = Figures(next(left), 50.0, 20.0)
        said = {"u": "a b"}
        return Validation(found.loss, found.wer, found.cer, said, {"u": "a c"}, None if sample is None else found)

    monkeypatch.setattr(trainer, "validate", validate)
    return heard


@pytest.mark.parametrize(("option", "utterances"), [("yes", 2), ("1", 1)])
def test_a_validation_at_a_checkpoint_keeps_the_best_and_is_told(write, data, monkeypatch, written, option, utterances):
    """At steps 3, 4, 7 and 8, of losses 3, 2, 1 and 2: the third is the best."""
    heard = scripted(monkeypatch, [3.0, 2.0, 1.0, 2.0])
    section = "validate:\n  weights: best.pt\n  provider: {batch_size: 1}\n  hooks: [transcript]\n"
    amount = f"{{path: null, batches: 3, epochs: 1, validation: {option}}}"
    said = train(write(f"{BATCHES}epochs: 2\ncheckpoint: {amount}\nlog: log", ("validate:\n", section)))
    assert heard == [utterances, 2, utterances, 2]
    assert written == [(3, "best.pt"), (4, "best.pt"), (7, "best.pt")]
    assert checkpoint.load(data / "exp/tones/best.pt")["metrics"]["step"] == 7
    assert said.count('Prediction: "a b"\nTruth: "a c"') == 4
    assert "epoch   2, step 7  dev loss 1.000" in said
    logged = [json.loads(line) for line in (data / "log/snapshots.jsonl").read_text().splitlines()]
    assert [(each["step"], each["dev_loss"]) for each in logged] == [(3, 3.0), (7, 1.0)]
    assert not (data / "checkpoint").exists()


def test_no_validation_at_checkpoints_unless_asked_for(write, data, monkeypatch):
    heard = scripted(monkeypatch, [3.0, 2.0])
    train(write(f"{BATCHES}epochs: 2\ncheckpoint: {{batches: 3, validation: no}}"))
    assert heard == [2, 2]
