"""What TensorBoard's own reader finds; and a training without TensorBoard, or with one that is broken."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from dstoolkit.training.tensorboard import TAGS, Board


def scalars(folder) -> dict[str, list[tuple[int, float]]]:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    tags = found.Tags()["scalars"]
    return {tag: [(each.step, pytest.approx(each.value)) for each in found.Scalars(tag)] for tag in tags}


def metrics(epoch: int, loss: float) -> dict[str, float]:
    return dict.fromkeys(TAGS, 0.5) | {"epoch": epoch, "train_loss": loss}


def test_a_run_that_goes_on_leaves_one_line(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    first = Board(tmp_path, 0)
    for epoch in (1, 2, 3):
        first.epoch(metrics(epoch, 3.0 - epoch))
    first.close()
    again = Board(tmp_path, 1)  # the checkpoint is of epoch 1: two epochs are done again
    again.epoch(metrics(2, 7.0))
    again.close()
    found = scalars(tmp_path)
    assert found["loss/train"] == [(1, 2.0), (2, 7.0)]
    assert sorted(found) == sorted(TAGS.values())


def test_what_is_no_number_is_left_out(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    board = Board(tmp_path, 0)
    board.epoch({"epoch": 1, "train_loss": None, "dev_loss": float("nan"), "dev_wer": 12.0})
    board.close()
    assert scalars(tmp_path) == {"error rate in percent/WER": [(1, 12.0)]}


def test_each_outputs_loss_has_a_curve(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    board = Board(tmp_path, 0)
    board.epoch({"epoch": 1, "train_loss_early": 1.5, "dev_loss_early": 2.5})
    board.close()
    assert scalars(tmp_path) == {"train loss of outputs/early": [(1, 1.5)], "dev loss of outputs/early": [(1, 2.5)]}


def test_nothing_is_written_where_no_epoch_ends(tmp_path):
    Board(tmp_path / "tensorboard", 0).close()
    assert not (tmp_path / "tensorboard").exists()


def test_without_tensorboard_nothing_is_written_or_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    board = Board(tmp_path / "tensorboard", 0)
    board.epoch(metrics(1, 1.0))
    board.close()
    assert not (tmp_path / "tensorboard").exists()
    assert capsys.readouterr() == ("", "")


def test_a_broken_tensorboard_costs_one_warning(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # importing it now raises ImportError
    board = Board(tmp_path / "tensorboard", 0)
    for epoch in (1, 2):
        board.epoch(metrics(epoch, 1.0))
    board.close()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("warning: tensorboard is installed but cannot be used: ")
