"""Two processes under torchrun learn what one learns, whatever the batches; a killed one costs a restart, no more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from dstoolkit.training.distributed import World
from tests import toy

ROOT = Path(__file__).resolve().parents[2]
# 0.6 s: the longest utterances are batches of their own, in which one of two processes has no part
OPTIONS = ["--set", "augment.stretch=0.1", "--set", "train.epochs=3", "--set", "train.batch_seconds=0.6"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return toy.make(tmp_path_factory.mktemp("toy"), train=23, dev=5)


def run(corpus: Path, exp: Path, processes: int, *more: str, **options) -> subprocess.Popen:
    """One process by itself, or several under torchrun, meeting on this machine only."""
    launcher = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={processes}",
        *options.pop("torchrun", []),
    ]
    words = [sys.executable, *(launcher if processes > 1 else []), "-m", "dstoolkit"]
    line = [*words, *map(str, toy.arguments(corpus, exp, *OPTIONS, *more))]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        line, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finished(process: subprocess.Popen) -> str:
    output = process.communicate(timeout=240)[0]
    assert process.returncode == 0, output
    return output


def metrics(exp: Path) -> list[dict]:
    return [json.loads(line) for line in (exp / "metrics.jsonl").read_text().splitlines()]


def test_a_share_is_every_nth_and_all_shares_are_all():
    indices = np.arange(7)
    shares = [World(rank, 3).share(indices).tolist() for rank in range(3)]
    assert shares == [[0, 3, 6], [1, 4], [2, 5]]
    assert World().sum([1.5, 2.0]) == [1.5, 2.0]
    assert World().gather("x") == ["x"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "option",
    [
        "train.consistency=0.3",
        "train.accumulate=2",
        # of 23 one is a batch of its own, in which one of two processes has no part
        "train.batches={size: 11, order: shuffled, bucket: 0.2}",
    ],
)
def test_two_processes_give_the_loss_curve_of_one(corpus, tmp_path, option):
    more = ["--set", option]
    said = [finished(run(corpus, tmp_path / str(count), count, *more)) for count in (1, 2)]
    one, two = metrics(tmp_path / "1"), metrics(tmp_path / "2")
    for key in ("epoch", "step", "skipped"):
        assert [each[key] for each in one] == [each[key] for each in two]
    for key in ("train_loss", "dev_loss", "grad_norm"):
        assert [each[key] for each in two] == pytest.approx([each[key] for each in one], rel=2e-3)
    weights = [torch.load(tmp_path / str(count) / "last.pt", weights_only=True)["model"] for count in (1, 2)]
    for name, each in weights[0].items():
        torch.testing.assert_close(weights[1][name], each, rtol=0.02, atol=2e-3, msg=name)
    for line in ("epoch   3/3", "done; curves in"):  # the first process alone speaks
        assert said[1].count(line) == said[0].count(line) == 1
    assert "Warning" not in said[1]


@pytest.mark.slow
def test_two_processes_agree_on_the_time_and_on_snapshots(corpus, tmp_path):
    """The first step's time is over at once; without a limit both go on, and the snapshots are those of one."""
    exp, snapshots = tmp_path / "2", ["--set", "train.snapshots={steps: 4, validation: 3}"]
    assert "is over after epoch 0, 1 steps" in finished(run(corpus, exp, 2, *snapshots, "--set", "train.minutes=1e-6"))
    finished(run(corpus, exp, 2, *snapshots))
    finished(run(corpus, tmp_path / "1", 1, *snapshots))
    one, two = (
        [json.loads(line) for line in (tmp_path / each / "snapshots.jsonl").read_text().splitlines()] for each in "12"
    )
    assert two.pop(0)["step"] == 1  # where the time cut the epoch
    assert [each["step"] for each in one] == [each["step"] for each in two]
    assert [each["dev_loss"] for each in two] == pytest.approx([each["dev_loss"] for each in one], rel=2e-3)
    assert len(two) > 2


@pytest.mark.slow
def test_a_killed_worker_costs_a_restart_from_the_checkpoint(corpus, tmp_path):
    whole, exp = tmp_path / "whole", tmp_path / "killed"
    long = ["--set", "train.epochs=10"]  # so that it is not done before the kill
    finished(run(corpus, whole, 2, *long))
    process = run(corpus, exp, 2, *long, "--set", "train.checkpoint_minutes=1e-6", torchrun=["--max-restarts=2"])
    while process.poll() is None and not (exp / "last.pt").exists():
        time.sleep(0.002)
    victims = children(process.pid)
    assert len(victims) == 2
    os.kill(max(victims), signal.SIGKILL)
    said = finished(process)
    assert "going on after epoch" in said
    found, wanted = (torch.load(each / "last.pt", weights_only=True) for each in (exp, whole))
    assert found["step"] == wanted["step"]
    for name, each in wanted["model"].items():
        assert torch.equal(found["model"][name], each), name


def children(pid: int) -> list[int]:
    """The processes that ``pid`` started, by Linux's word."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


MEET = """
from dstoolkit.training.distributed import leave, world
with world("cpu") as (found, _):
    assert found.sum([1.0]) == [2.0]
leave()
"""


@pytest.mark.slow
def test_a_restart_does_not_find_the_addresses_of_the_start_before():
    """torchrun keeps its store: a process that is there first must not take the other's old address for its new one."""
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)

    def start(rank: int, restarts: int) -> subprocess.Popen:
        environment = os.environ | {
            "RANK": str(rank),
            "WORLD_SIZE": "2",
            "GROUP_WORLD_SIZE": "1",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(store.port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",
            "TORCHELASTIC_RESTART_COUNT": str(restarts),
        }
        return subprocess.Popen(
            [sys.executable, "-c", MEET],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    for each in [start(0, 0), start(1, 0)]:
        finished(each)
    early = start(1, 1)
    time.sleep(8)  # long after the early one has looked
    late = start(0, 1)
    try:
        for each in (late, early):
            assert each.wait(60) == 0, each.stdout.read()
    finally:
        early.kill()
        late.kill()


FIRST = """
import os, sys, time
from dstoolkit.errors import DataError
from dstoolkit.training.distributed import leave, world

made = []

def make():
    time.sleep(0.5)
    made.append(os.environ["RANK"])
    return {"by": os.environ["RANK"]}

def fail():
    raise DataError("x", "no such file")

with world("cpu") as (outer, device):
    with world("cpu") as (inner, _):  # one world, joined once
        assert inner is outer
        assert inner.sum([1.0]) == [2.0]
    found = outer.first(make)
    assert found == {"by": "0"}, found
    assert made == (["0"] if outer.main else []), made
    assert outer.first(lambda: outer.rank) == 0  # another call, another answer
    try:
        outer.first(fail)
    except DataError as error:
        assert str(error) == "x: no such file"
    else:
        sys.exit("nothing was raised")
    assert outer.sum([1.0]) == [2.0]
with world("cpu") as (again, _):
    assert again.rank == outer.rank
leave()
"""


@pytest.mark.slow
def test_the_first_process_makes_and_all_have_it_or_its_error(tmp_path):
    (tmp_path / "first.py").write_text(FIRST)
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*words, tmp_path / "first.py"], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_alone_the_first_process_is_the_only_one():
    assert World().first(lambda: 3) == 3


LEAVE = """
import atexit
from dstoolkit.training.distributed import leave
atexit.register(print, "taken down")
print("done")
leave()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("place", "said"), [({}, "done\ntaken down\n"), ({"RANK": "1", "WORLD_SIZE": "2"}, "done\n")])
def test_one_of_several_ends_before_the_interpreter_is_taken_down(place, said):
    """Where gloo's threads abort it: they may still hold tensors."""
    ended = subprocess.run(
        [sys.executable, "-c", LEAVE], cwd=ROOT, env=os.environ | place, capture_output=True, text=True, check=True
    )
    assert ended.stdout == said


@pytest.mark.slow
def test_an_error_of_the_user_is_said_by_processes_under_torchrun_too(corpus, tmp_path):
    process = run(corpus, tmp_path / "exp", 2, "--set", "encoder.stride=0")
    output = process.communicate(timeout=120)[0]
    assert process.returncode
    assert "stride is 0; expected 1 or more" in output
    assert not (tmp_path / "exp").exists()
