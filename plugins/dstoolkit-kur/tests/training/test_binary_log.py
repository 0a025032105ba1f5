"""Kur's binary log: read by the format's own rules, written over nothing of another program's."""

from __future__ import annotations

import json
import math
import struct

import numpy as np
import pytest
from click.testing import CliRunner
from dstoolkit_kur import binary_log, training

from dstoolkit.cli.main import cli
from dstoolkit.errors import DstoolkitError

HISTORY = [
    {"step": 10, "seconds": 5.0, "train_loss": 3.5, "dev_loss": 2.5, "train_loss_a_b": 3.0, "dev_loss_a_b": 2.0},
    {"step": 21, "seconds": 6.0, "train_loss": 1.5, "dev_loss": None, "train_loss_a_b": 1.25, "dev_loss_a_b": 1.0},
]


def read(path) -> tuple[str, list[float]]:
    """By hand: a type, and the values one by one."""
    content = path.read_bytes()
    zero, kind, axes = struct.unpack(">HBB", content[:4])
    (count,) = struct.unpack(">I", content[4:8])
    assert (zero, axes, len(content)) == (0, 1, 8 + 4 * count)
    letter = {0x0C: "i", 0x0D: "f"}[kind]
    return letter, list(struct.unpack(f">{count}{letter}", content[8:]))


def test_each_statistic_is_an_array_of_the_epochs(tmp_path):
    binary_log.write(tmp_path, HISTORY[:1], ["a_b", "only"])
    binary_log.write(tmp_path, HISTORY, ["a_b", "only"])
    assert read(tmp_path / "training_loss_total") == ("f", [3.5, 1.5])
    assert read(tmp_path / "training_loss_a__b") == ("f", [3.0, 1.25])
    assert read(tmp_path / "training_loss_only") == ("f", [3.5, 1.5])  # trained by 1: the total
    assert read(tmp_path / "validation_loss_a__b") == ("f", [2.0, 1.0])
    assert read(tmp_path / "training_loss_batch") == ("i", [10, 21])
    assert read(tmp_path / "validation_loss_time") == ("f", [5.0, 11.0])
    letter, (first, second) = read(tmp_path / "validation_loss_total")
    assert (letter, first, math.isnan(second)) == ("f", 2.5, True)
    assert (tmp_path / "summary.yml").read_text() == "version: 3\nepochs: 2\nbatches: 21\n"


STEPS = [{"batch_loss": 3.0 - at / 4, "batch_loss_a": 1.0 + at} for at in range(6)]


def batches(folder, step, rate=None):
    found = binary_log.Batches(folder, ["a", "only"], rate)
    found.begin(step)
    return found


def test_batches_are_appended_and_those_that_come_again_replaced(tmp_path):
    first = batches(tmp_path / "log", 0)
    for at in range(4):
        first.step(at + 1, STEPS[at])
    assert not (tmp_path / "log").exists()  # until the epoch's end
    first.write()
    first.step(5, STEPS[4])
    first.write()
    assert read(tmp_path / "log/batch_loss_batch") == ("i", [1, 2, 3, 4, 5])
    assert read(tmp_path / "log/batch_loss_total") == ("f", [3.0, 2.75, 2.5, 2.25, 2.0])
    assert read(tmp_path / "log/batch_loss_only") == ("f", [3.0, 2.75, 2.5, 2.25, 2.0])
    times = read(tmp_path / "log/batch_loss_time")[1]
    assert times == sorted(times)
    binary_log.check(tmp_path / "log", "")  # ours, though no epoch is done
    again = batches(tmp_path / "log", 2)  # the checkpoint is of the second batch
    assert read(tmp_path / "log/batch_loss_a") == ("f", [1.0, 2.0])
    again.step(3, STEPS[5])
    again.write()
    assert read(tmp_path / "log/batch_loss_batch") == ("i", [1, 2, 3])
    assert read(tmp_path / "log/batch_loss_a") == ("f", [1.0, 2.0, 6.0])
    assert read(tmp_path / "log/batch_loss_time")[1][2] >= times[1]


def test_values_that_were_not_counted_are_not_there(tmp_path):
    """Killed after the values were written and before their number was."""
    binary_log.append(tmp_path / "x", np.asarray([1, 2], np.int32))
    with (tmp_path / "x").open("ab") as file:
        file.write(b"rest")
    binary_log.append(tmp_path / "x", np.asarray([3], np.int32))
    assert read(tmp_path / "x") == ("i", [1, 2, 3])
    assert binary_log.read(tmp_path / "x").tolist() == [1, 2, 3]


def test_a_rate_writes_meanwhile(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(binary_log.time, "monotonic", lambda: clock[0])
    found = batches(tmp_path, 0, rate=10)
    for at, seconds in enumerate([4, 9, 11, 15, 22]):
        clock[0] = float(seconds)
        found.step(at + 1, STEPS[at])
        written = len(read(tmp_path / "batch_loss_batch")[1]) if (tmp_path / "batch_loss_batch").exists() else 0
        assert written == {4: 0, 9: 0, 11: 3, 15: 3, 22: 5}[seconds]
    assert read(tmp_path / "batch_loss_time")[1] == [4.0, 9.0, 11.0, 15.0, 22.0]


def test_the_command_logs_each_batch(write, data):
    path = write("epochs: 2\nprovider: {batch_size: 4}\nlog: {path: log, keep_batch: yes}")
    result = CliRunner().invoke(cli, ["train", str(path), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    metrics = [json.loads(line) for line in (data / "log/metrics.jsonl").read_text().splitlines()]
    assert read(data / "log/batch_loss_batch") == ("i", [1, 2, 3, 4])
    lost = read(data / "log/batch_loss_asr")[1]
    tokens = [metrics[at]["train_loss"] for at in (0, 1)]
    for epoch, mean in enumerate(tokens):  # a mean over the tokens lies between those of its batches
        assert min(lost[2 * epoch : 2 * epoch + 2]) <= mean * 1.000001
        assert max(lost[2 * epoch : 2 * epoch + 2]) >= mean * 0.999999


def test_a_log_of_kurs_is_not_written_over(write, tmp_path):
    path = write("log: log")
    (tmp_path / "log").mkdir()
    assert training.watch(training.load(path, [])[0]).keepers[-1].outputs == ("asr",)
    (tmp_path / "log/training_loss_total").write_bytes(b"")
    with pytest.raises(DstoolkitError, match=r"train.log: '.*log' holds a log of another program; expected a folder"):
        training.watch(training.load(path, [])[0])
    (tmp_path / "log/metrics.jsonl").write_text("")
    training.watch(training.load(path, [])[0])


def test_a_file_in_the_place_of_the_log_is_refused(write, tmp_path):
    (tmp_path / "log").write_text("")
    with pytest.raises(DstoolkitError, match=r"train.log: '.*log' is a file; expected a folder"):
        training.watch(training.load(write("log: log"), [])[0])
