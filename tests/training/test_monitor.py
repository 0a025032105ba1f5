"""Metrics are kept whole, and those of epochs to be done again are dropped."""

from __future__ import annotations

import json

from dstoolkit.training.monitor import Monitor
from dstoolkit.training.validation import Validation

VALIDATION = Validation(1.0, 50.0, 20.0, {"b": "x", "a": "lo"}, {"b": "y", "a": "ken lo"})


def metrics(epoch: int) -> dict[str, float]:
    losses = {"train_loss": 2.0 / epoch, "dev_loss": 2.5 / epoch, "dev_wer": 90.0 / epoch, "dev_cer": 40.0 / epoch}
    shares = {"padding": 0.05, "data_wait": 0.01, "frames_per_second": 9900.0, "speed": 99.0}
    return {
        "epoch": epoch,
        "step": 7 * epoch,
        "lr": 1e-3,
        "seconds": 1.5,
        "grad_norm": 0.5,
        "skipped": 0,
        "memory_mb": 9.0,
        **losses,
        **shares,
    }


def test_history_is_cut_to_the_epochs_done_and_grows_from_there(tmp_path, capsys):
    lines = [json.dumps(metrics(epoch)) for epoch in (1, 2, 3)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    monitor = Monitor(tmp_path, 2, 5, show=1)
    monitor.epoch(metrics(3) | {"dev_wer": 7.0}, VALIDATION)
    found = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [each["epoch"] for each in found] == [1, 2, 3]
    assert found[-1]["dev_wer"] == 7.0
    output = capsys.readouterr().out
    assert "epoch   3/5" in output
    assert "WER   7.0 %" in output
    assert output.index("true: ken lo") < output.index("pred: ----lo")
    assert "true: y" not in output
    assert (tmp_path / "curves.png").stat().st_size > 1000
