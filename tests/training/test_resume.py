"""A run that is killed, interrupted or torn anywhere goes on to the same weights, bit for bit."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from dstoolkit.pipeline import checkpoint
from dstoolkit.training.setup import NEUTRAL
from tests import toy

ROOT = Path(__file__).resolve().parents[2]
# Dropout, augmentation of two views, an average, parts and snapshots: all that a state could be forgotten of.
OPTIONS = [
    option
    for each in (
        "encoder.dropout=0.2",
        "augment.stretch=0.1",
        "augment.time_masks_per_second=2",
        "train.epochs=4",
        "train.batch_seconds=2",
        "train.accumulate=2",
        "train.average=2",
        "train.snapshots={steps: 4, validation: 4}",
        "train.consistency=0.2",
    )
    for option in ("--set", each)
]


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory):
    """The folder of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole") / "exp"
    subprocess.run(command(corpus, folder), cwd=ROOT, env=environment(), check=True, stdout=subprocess.DEVNULL)
    return folder


def command(corpus: Path, exp: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "dstoolkit", *map(str, toy.arguments(corpus, exp, *OPTIONS, *more))]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"}


def flat(state: object, prefix: str = "") -> dict[str, object]:
    """Nested dicts and lists as one dict of paths."""
    if isinstance(state, (dict, list)):
        items = state.items() if isinstance(state, dict) else enumerate(state)
        return {path: each for key, value in items for path, each in flat(value, f"{prefix}/{key}").items()}
    return {prefix: state}


TIMES = ("seconds", "waited", "speed", "frames_per_second", "data_wait", "memory_mb")
FREE = (*TIMES, *NEUTRAL)  # what two equal runs may differ in


def require_same(one: Path, other: Path, but: tuple[str, ...] = ()) -> None:
    """All states of two finished runs, weights to optimizer, but for the time they took, and parts that begin so."""
    for name in ("last.pt", "best.pt"):
        states = [flat(torch.load(exp / name, weights_only=True)) for exp in (one, other)]
        assert states[0].keys() == states[1].keys()
        for path, value in states[0].items():
            found = states[1][path]
            if path.rsplit("/", 1)[-1] in FREE or path.startswith(("/clocks/", *but)):
                continue
            same = torch.equal(value, found) if isinstance(value, torch.Tensor) else value == found
            assert same, f"{name}: {path}"
    for name in ("metrics.jsonl", "snapshots.jsonl"):
        assert untimed(one / name) == untimed(other / name)


def untimed(path: Path) -> list[dict[str, object]]:
    """The lines of figures without the time they took; none where there is no file."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [{key: value for key, value in each.items() if key not in TIMES} for each in lines]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_killed_at_random_moments(corpus, whole, tmp_path, seed):
    """A checkpoint after every step makes many of the kills meet one that is being written."""
    rng, exp = random.Random(seed), tmp_path / "exp"
    line = command(corpus, exp, "--set", "train.checkpoint_minutes=1e-6", "--set", "train.show=0")
    kills, last = 0, exp / "last.pt"
    while kills < 4:
        before = last.stat().st_mtime_ns if last.exists() else 0
        process = subprocess.Popen(line, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL)
        while process.poll() is None and (not last.exists() or last.stat().st_mtime_ns == before):
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.2))
        if process.poll() is not None:
            break  # it was faster; the kills before it count
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert kills >= 2
    subprocess.run(line, cwd=ROOT, env=environment(), check=True, stdout=subprocess.DEVNULL)
    require_same(whole, exp)
    assert not [each.name for each in exp.rglob("*") if each.name.endswith(".partial")]


def test_interrupted_after_every_step(corpus, whole, tmp_path, dstoolkit, monkeypatch):
    from dstoolkit.training.step import Step

    exp, take, steps = tmp_path / "exp", Step.take, []

    def interrupted(self, number, *arguments):
        outcome = take(self, number, *arguments)
        steps.append(number)
        os.kill(os.getpid(), signal.SIGINT)
        return outcome

    monkeypatch.setattr(Step, "take", interrupted)
    said = dstoolkit(*toy.arguments(corpus, exp, *OPTIONS), status=130).output
    assert "the same command goes on from here" in said
    said = dstoolkit(*toy.arguments(corpus, exp, *OPTIONS), status=130).output
    assert "going on after epoch 0 of 4, 1 steps into the next" in said
    while not (exp / "stamp.json").exists():
        last = torch.load(exp / "last.pt", weights_only=True)
        finished = last["epoch"] == 4
        dstoolkit(*toy.arguments(corpus, exp, *OPTIONS), status=0 if finished or last_step(last, whole) else 130)
    assert steps == list(range(1, len(steps) + 1))
    require_same(whole, exp)


def test_batches_by_count_go_on_too(corpus, tmp_path, dstoolkit, monkeypatch):
    from dstoolkit.training.step import Step

    own = "train.batches={size: 5, order: shuffled, sorted_epochs: 1, most: 4, full: true, bucket: 0.1}"
    options = [*OPTIONS, "--set", own]
    whole, exp, take = tmp_path / "whole", tmp_path / "exp", Step.take
    dstoolkit(*toy.arguments(corpus, whole, *options))
    assert torch.load(whole / "last.pt", weights_only=True)["step"] == 4 * 4

    def interrupted(self, number, *arguments):
        if number in (2, 7):
            os.kill(os.getpid(), signal.SIGINT)
        return take(self, number, *arguments)

    monkeypatch.setattr(Step, "take", interrupted)
    for _ in range(2):
        dstoolkit(*toy.arguments(corpus, exp, *options), status=130)
    dstoolkit(*toy.arguments(corpus, exp, *options))
    require_same(whole, exp)
    refused = dstoolkit(*toy.arguments(corpus, exp, *options, "--set", "train.batches.most=3"), status=2)
    assert "train.batches.most was 4, now 3" in refused.output


def last_step(state: dict[str, object], whole: Path) -> bool:
    """Whether only the validation is left of the training."""
    end = torch.load(whole / "last.pt", weights_only=True)
    return state["step"] == end["step"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_real_run_saves_when_it_is_told_to_stop(corpus, whole, tmp_path, number):
    options = {"cwd": ROOT, "env": environment(), "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    for attempt in range(3):  # on a busy machine it may be done before the signal
        exp = tmp_path / str(attempt)
        line = command(corpus, exp, "--set", "train.checkpoint_minutes=1e-6")
        process = subprocess.Popen(line, text=True, **options)
        while process.poll() is None and not (exp / "last.pt").exists():
            time.sleep(0.001)
        process.send_signal(number)
        said = process.communicate()[1]
        if process.returncode:
            break
    assert process.returncode == 130, said
    assert "interrupted; the same command goes on from here" in said
    subprocess.run(command(corpus, exp), cwd=ROOT, env=environment(), check=True, stdout=subprocess.DEVNULL)
    require_same(whole, exp)


def test_interrupted_in_validation(corpus, whole, tmp_path, dstoolkit, monkeypatch):
    from dstoolkit.training import trainer

    exp, validate = tmp_path / "exp", trainer.validate

    def interrupted(*arguments):
        monkeypatch.setattr(trainer, "validate", validate)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        raise AssertionError("not interrupted")

    monkeypatch.setattr(trainer, "validate", interrupted)
    dstoolkit(*toy.arguments(corpus, exp, *OPTIONS), status=130)
    dstoolkit(*toy.arguments(corpus, exp, *OPTIONS))
    require_same(whole, exp)


def test_a_full_disk_leaves_the_last_checkpoint_and_the_run_goes_on_from_it(
    corpus, whole, tmp_path, dstoolkit, monkeypatch
):
    exp, save, saved = tmp_path / "exp", torch.save, []

    def full(state, path):
        saved.append(path)
        if len(saved) == 5:
            Path(path).write_bytes(b"PK\x03\x04 torn")
            raise RuntimeError("[enforce fail at inline_container.cc:603] . unexpected pos 64 vs 0")
        save(state, path)

    monkeypatch.setattr(torch, "save", full)
    said = dstoolkit(*toy.arguments(corpus, exp, *OPTIONS), status=2).output
    assert os.strerror(errno.ENOSPC).lower() in said
    assert checkpoint.load(exp / "last.pt")["step"] > 0
    monkeypatch.setattr(torch, "save", save)
    dstoolkit(*toy.arguments(corpus, exp, *OPTIONS))
    require_same(whole, exp)


def test_options_that_do_not_matter_may_change_on_the_way(corpus, whole, tmp_path, dstoolkit, monkeypatch):
    from dstoolkit.training.step import Step

    exp, take = tmp_path / "exp", Step.take

    def interrupted(self, number, *arguments):
        if number == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return take(self, number, *arguments)

    monkeypatch.setattr(Step, "take", interrupted)
    dstoolkit(*toy.arguments(corpus, exp, *OPTIONS), status=130)
    monkeypatch.setattr(Step, "take", take)
    dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, "--set", "train.workers=2", "--set", "train.show=0"))
    require_same(whole, exp)
    refused = dstoolkit(*toy.arguments(corpus, exp, *OPTIONS, "--set", "train.clip=2"), status=2)
    assert "train.clip was 1.0, now 2.0" in refused.output
