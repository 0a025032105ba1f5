"""What is written and drawn while a training goes on."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from dstoolkit_kur import hooks, observing, plots
from dstoolkit_kur.observing import Best, Checkpoint, Latest, Log, Watch

HISTORY = [
    {"epoch": at + 1, "step": 10 * (at + 1), "seconds": 5.0, "train_loss": train, "dev_loss": dev}
    for at, (train, dev) in enumerate([(3.0, 2.0), (2.0, 4.0), (None, 1.0), (1.0, 1.5)])
]


def follow(tmp_path, watch):
    """Files saved after each epoch."""
    folder = tmp_path / "exp"
    folder.mkdir()
    saved = []
    run = SimpleNamespace(folder=folder, predictions={"u": ("a", "b")}, epoch=0)
    with observing.watching(folder, watch):
        for epoch in range(1, len(HISTORY) + 1):
            lines = "".join(json.dumps(each) + "\n" for each in HISTORY[:epoch])
            (folder / "metrics.jsonl").write_text(lines)
            run.epoch, run.save = epoch, lambda path, at=epoch: saved.append((at, path.name))
            observing.epoch_end(run)
    observing.epoch_end(run)  # nobody watches any more
    return saved


def test_weights_are_kept_by_the_loss_that_counts(tmp_path):
    watch = Watch([Best(tmp_path / "v", "dev_loss"), Best(tmp_path / "t", "train_loss"), Latest(tmp_path / "w/l")])
    expected = [(1, "v"), (1, "t"), (1, "l"), (2, "t"), (2, "l"), (3, "v"), (3, "l"), (4, "t"), (4, "l")]
    assert follow(tmp_path, watch) == expected


class Heard(hooks.Hook):
    def __init__(self):
        self.rows, self.validations = [], 0

    def validated(self):
        self.validations += 1

    def predicted(self, rows):
        self.rows.append(rows)

    def epoch(self, history, epochs):
        raise AssertionError("a snapshot is no epoch")


@pytest.mark.parametrize(("sample", "expected"), [(None, [True, False, True]), (3.5, [True, False, False])])
def test_snapshots_are_kept_logged_and_heard(tmp_path, sample, expected):
    """After an epoch of loss 2, and 4 by the sample: snapshots of 1.5, 3, 1, or these whatever the sample says."""
    folder, saved, heard = tmp_path / "exp", [], Heard()
    folder.mkdir()
    run = SimpleNamespace(folder=folder, predictions={"u": ("a", "b")}, save=lambda path: saved.append(path.name))
    watch = Watch([Best(tmp_path / "v", "dev_loss"), Best(tmp_path / "t", "train_loss"), Checkpoint(tmp_path / "c")])
    watch = Watch([*watch.keepers, Log(tmp_path / "log")], [heard], [heard])
    epoch = {"epoch": 1, "step": 4, "train_loss": 9.0, "dev_loss": 2.0}
    lines = [{"step": 4 + at, "dev_loss": loss} for at, loss in enumerate([1.5, 3.0, 1.0], 1)]
    if sample:
        epoch["sample_loss"] = 4.0
        for line, loss in zip(lines, [3.5, 3.8, 3.9], strict=True):
            line["sample_loss"] = loss
    (folder / "metrics.jsonl").write_text(json.dumps(epoch) + "\n")
    best = []
    with observing.watching(folder, watch):
        for at, line in enumerate(lines, 1):
            (folder / "snapshots.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines[:at]))
            saved.clear()
            observing.snapshot(run, line)
            best.append("v" in saved)
            assert [each for each in saved if each != "v"] == ["c"]
        saved.clear()
        observing.snapshot(run, {})  # one that is not validated
    assert saved == ["c"]
    assert best == expected
    assert heard.rows == [{"u": ("a", "b")}] * 3
    assert heard.validations == 3
    assert (tmp_path / "log/snapshots.jsonl").read_bytes() == (folder / "snapshots.jsonl").read_bytes()


def test_the_log_is_a_copy_of_the_metrics(tmp_path):
    follow(tmp_path, Watch([Log(tmp_path / "log", ("asr",))]))
    assert len((tmp_path / "log/training_loss_asr").read_bytes()) == 8 + 4 * len(HISTORY)
    assert (tmp_path / "log/metrics.jsonl").read_bytes() == (tmp_path / "exp/metrics.jsonl").read_bytes()


def test_batches_per_second_and_time():
    assert plots.seconds(HISTORY) == [5, 10, 15, 20]
    assert plots.batches_per_second(HISTORY) == [2, 2, 2, 2]


def test_plots_are_images(tmp_path):
    options = hooks.PlotOptions(str(tmp_path / "a.png"), str(tmp_path / "b.svg"), str(tmp_path / "c"))
    node = SimpleNamespace(mark=SimpleNamespace(file=str(tmp_path / "k.yml")))
    hooks.Plot(options, node).epoch(HISTORY, 4)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "c").read_bytes().startswith(b"\x89PNG")
