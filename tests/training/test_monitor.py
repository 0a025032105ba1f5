"""Metrics are kept whole, those of epochs to be done again are dropped, and predictions stand below the truth."""

from __future__ import annotations

import json
import logging
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.config import Choice
from dstoolkit.interfaces import BLANK
from dstoolkit.pipeline.experiment import Experiment
from dstoolkit.pipeline.recognition import build_model
from dstoolkit.scoring.align import edit_counts
from dstoolkit.training import monitor as module
from dstoolkit.training.monitor import GAP, Monitor, beside, describe
from dstoolkit.training.validation import Validation

VALIDATION = Validation(1.0, 50.0, 20.0, {"b": "x", "a": "lo"}, {"b": "y", "a": "ken lo"})


def metrics(epoch: int, **changed: float) -> dict[str, float]:
    found = {"train_loss": 2.0 / epoch, "dev_loss": 2.5 / epoch, "dev_wer": 90.0 / epoch, "dev_cer": 40.0 / epoch}
    found |= {"epoch": epoch, "step": 7 * epoch, "lr": 1e-3, "seconds": 1.5, "speed": 99.0, "frames_per_second": 9900.0}
    found |= {"padding": 0.054, "data_wait": 0.013, "grad_norm": 0.5, "skipped": 2, "memory_mb": 321.0}
    return found | changed


def recorded(folder) -> list[dict[str, float]]:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def test_history_is_cut_to_the_epochs_done_and_grows_from_there(tmp_path, capsys):
    lines = [json.dumps(metrics(epoch)) for epoch in (1, 2, 3)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    monitor = Monitor(tmp_path, 2, 5, show=1)
    monitor.epoch(metrics(3, dev_wer=7.0), VALIDATION)
    monitor.close()
    found = recorded(tmp_path)
    assert [each["epoch"] for each in found] == [1, 2, 3]
    assert found[-1]["dev_wer"] == 7.0
    assert monitor.history == found
    output = capsys.readouterr().out
    assert "epoch   3/5" in output
    assert "WER   7.0 %" in output
    assert "9900 frames/s (99x real time)  padding 5 %  data wait 1 %" in output
    assert output.index("true: ken lo") < output.index("pred: ----lo")
    assert "true: y" not in output
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_the_best_epoch_is_marked_in_its_line_and_undefined_numbers_are_null(tmp_path, capsys):
    monitor = Monitor(tmp_path, 0, 3, show=0)
    for epoch, wer in ((1, 30.0), (2, 40.0), (3, 20.0)):
        monitor.epoch(metrics(epoch, dev_wer=wer, train_loss=float("nan")), VALIDATION)
    assert [line.endswith("best") for line in capsys.readouterr().out.splitlines()] == [True, False, True]
    assert [each["train_loss"] for each in recorded(tmp_path)] == [None] * 3
    assert [each["epoch"] for each in Monitor(tmp_path, 3, 3, show=0).history] == [1, 2, 3]


def test_drawing_that_would_take_long_waits_but_not_for_ever(tmp_path):
    monitor, picture = Monitor(tmp_path, 0, 3, show=0), tmp_path / "curves.png"
    monitor.epoch(metrics(1), VALIDATION)
    assert picture.exists()
    picture.unlink()
    monitor.cost = 1e9  # s
    monitor.epoch(metrics(2), VALIDATION)
    assert not picture.exists()
    monitor.close()
    assert picture.exists()
    picture.unlink()
    monitor.cost = 1e9
    monitor.epoch(metrics(3), VALIDATION)  # the last
    assert picture.exists()


def test_an_epoch_twenty_times_as_long_as_drawing_is_drawn(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    monitor, picture = Monitor(tmp_path, 0, 9, show=0), tmp_path / "curves.png"
    monitor.epoch(metrics(1), VALIDATION)
    monitor.cost = 1.0
    for epoch, seconds, drawn in ((2, 19.0, False), (3, 2.0, True), (4, 19.0, True)):  # the drawing now costs nothing
        picture.unlink(missing_ok=True)
        now[0] += seconds
        monitor.epoch(metrics(epoch), VALIDATION)
        assert picture.exists() == drawn


def test_more_of_an_epoch_with_v(tmp_path, caplog):
    caplog.set_level(logging.INFO, "dstoolkit")
    Monitor(tmp_path, 0, 3, show=0).epoch(metrics(1), VALIDATION)
    assert "step 7, learning rate 0.001, median gradient norm 0.5, 2 steps skipped, 321 MB of memory" in caplog.text


@settings(deadline=None)
@given(st.text("ab c", max_size=12), st.text("ab c", max_size=12))
def test_a_prediction_stands_below_the_truth_column_by_column(truth, prediction):
    above, below = (row[len("    true: ") :] for row in beside(truth, prediction).split("\n"))
    width = max(len(above), len(below))
    above, below = above.ljust(width), below.ljust(width)  # spaces at the end are not printed
    assert above.replace(GAP, "").rstrip() == truth.rstrip()
    assert below.replace(GAP, "").rstrip() == prediction.rstrip()
    errors = sum(one != other for one, other in zip(above, below, strict=True))
    assert errors == edit_counts([truth], [prediction]).sum()


def test_long_texts_are_folded_at_the_terminals_width_together(monkeypatch):
    monkeypatch.setenv("COLUMNS", "41")
    rows = beside("abcdefghi " * 6, "abcdefghi " * 6).split("\n")
    assert [row[:10] for row in rows] == ["    true: ", "    pred: "] * 2
    assert all(len(row) < 41 for row in rows)
    assert "".join(row[10:].ljust(30) for row in rows[::2]).rstrip() == ("abcdefghi " * 6).rstrip()


def test_an_empty_prediction_is_all_gaps():
    assert beside("ken lo", "") == "    true: ken lo\n    pred: ------"


def test_describe_counts_parameters_and_padding(caplog):
    caplog.set_level(logging.INFO, "dstoolkit")
    encoder = Choice("deepspeech", {"size": 8, "layers": 1, "kernels": 8, "kernel_size": 5, "stride": 2})
    model = build_model(Experiment(encoder=encoder), 12, BLANK + 5)
    describe(model, [np.array([0, 1]), np.array([2])], np.array([60, 100, 40]))
    total = sum(each.numel() for each in model.parameters())
    parts = [int(each) for each in re.findall(r"(\d+) parameters$", caplog.text, re.MULTILINE)]
    assert f"model: {total} parameters, 2 input frames per output" in caplog.text
    assert sum(parts) == total
    assert len(parts) == 2
    assert "2 of 3 utterances, 200 frames and 16.7 % padding" in caplog.text
    describe(model, [np.array([0, 1]), np.array([2])], np.array([60, 100, 40]), multiple=50)
    assert "2 of 3 utterances, 200 frames and 20.0 % padding" in caplog.text


def test_each_outputs_loss_is_told_with_the_details():
    told = module.details(metrics(1, train_loss_early=1.25, dev_loss_early=1.5))
    assert told.endswith("321 MB of memory, train_loss_early 1.250, dev_loss_early 1.500")
    assert module.details(metrics(1)).endswith("321 MB of memory")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_only_what_is_no_number_becomes_null(number):
    assert module.defined(number) is None
    assert module.defined(1.5) == 1.5
