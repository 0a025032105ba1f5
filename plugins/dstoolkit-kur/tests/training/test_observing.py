"""What is written and drawn while a training goes on."""

from __future__ import annotations

import json
from types import SimpleNamespace

from dstoolkit_kur import hooks, observing, plots
from dstoolkit_kur.observing import Best, Latest, Log, Watch

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
    watch = Watch([Best(tmp_path / "v", "dev_loss"), Best(tmp_path / "t", "train_loss"), Latest(tmp_path / "w/l", 2)])
    expected = [(1, "v"), (1, "t"), (2, "t"), (2, "l"), (3, "v"), (4, "t"), (4, "l")]
    assert follow(tmp_path, watch) == expected


def test_the_log_is_a_copy_of_the_metrics(tmp_path):
    follow(tmp_path, Watch([Log(tmp_path / "log")]))
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
