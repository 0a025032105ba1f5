"""Kurfiles under torchrun: the first process prepares the data, and all learn what one learns."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner
from dstoolkit_kur import sections

from dstoolkit.cli.main import cli

TRAIN = """\
epochs: {number: 2, mode: total}
provider: {batch_size: 3}
optimizer: {learning_rate: 5e-3}
weights: {best: best.pt}
log: log
"""
LOSS = "target: {}, input_length: utterance_length, output_length: transcript_length, output: transcript"
CHANGES = (  # a second output before the stride, and both losses by the lengths of all processes' utterances
    ("  - convolution", "  - dense: 9\n    name: early\n    sink: yes\n  - convolution"),
    ("border: valid}\n", "border: valid}\n    inputs: utterance\n"),
    ("name: ctc", "variant: loss_scale, weight: 2, name: ctc"),
    ("validate:\n", f"  - {{name: ctc, variant: loss_scale, weight: 0.5, {LOSS.format('early')}}}\nvalidate:\n"),
)


def processes(*words, count=2):
    """A command in so many processes, meeting on this machine only."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *launcher, "-m", "dstoolkit", *map(str, words)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_two_processes_give_the_curve_of_one(write, data):
    path = write(TRAIN, *CHANGES)
    done = processes("train", path, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    two = rows(data / "exp/tones/metrics.jsonl")
    for said in ("epoch   2/2", "trained into"):
        assert done.stdout.count(said) == 1
    assert rows(data / "log/metrics.jsonl") == two
    assert (data / "best.pt").exists()
    again = processes("train", path, "--device", "cpu")
    assert again.stdout.count("already done") == 1
    tested = processes("test", path, "--device", "cpu")
    assert tested.returncode == 0, tested.stderr
    assert tested.stdout.count("utterances transcribed") == 1
    alone = CliRunner().invoke(cli, ["train", str(path), "--device", "cpu", "--force"])
    assert alone.exit_code == 0, alone.output
    one = rows(data / "exp/tones/metrics.jsonl")
    for key in ("train_loss", "train_loss_asr", "train_loss_early", "dev_loss", "dev_loss_early", "grad_norm"):
        assert [each[key] for each in two] == pytest.approx([each[key] for each in one], rel=2e-3)


@pytest.mark.slow
def test_what_the_first_process_cannot_prepare_all_refuse(write, data):
    (data / "train/audio/u0.wav").unlink()
    done = processes("train", write("epochs: 1"), "--device", "cpu")
    assert done.returncode
    said = next(line for line in done.stderr.splitlines() if line.startswith("dstoolkit: "))
    assert "u0" in said
    assert "exitcode  : 2" in done.stderr  # of the processes, as torchrun tells it: the user's to mend
    assert not (data / "exp/tones").exists()


@pytest.mark.parametrize(
    ("asked", "started", "run"),
    [
        (2, 1, "torchrun --nproc-per-node 2 -m dstoolkit train {path}"),
        (1, 4, "dstoolkit train {path}"),
        (2, 2, None),
        (None, 2, None),
    ],
)
def test_what_to_run_for_several_devices(kurfile, monkeypatch, asked, started, run):
    if started > 1:
        monkeypatch.setenv("RANK", "0")
        monkeypatch.setenv("WORLD_SIZE", str(started))
    found = kurfile("", ("  seed: 3\n", f"  seed: 3\n  backend: {{parallel: {asked or 'null'}}}\n"))
    sections.check(found)
    told = list(sections.processes(found))
    if run is None:
        assert told == []
    else:
        where = f"{found.path}:3: settings.backend.parallel"
        said = f"{where}: asks for {asked} devices; processes started: {started}; run '{run.format(path=found.path)}'"
        assert told == [said]
