"""The picture holds the metrics, marks the best epoch, and is the same whether its figure is new or was kept."""

from __future__ import annotations

import io

import matplotlib.image
import numpy as np

from dstoolkit.training.curves import DPI, SIZE, Curves, best


def history(epochs: int) -> list[dict[str, float]]:
    rng = np.random.default_rng(3)
    return [
        {
            "epoch": epoch,
            "train_loss": 3 * 0.9**epoch,
            "dev_loss": 3 * 0.92**epoch + 0.1 * rng.random(),
            "dev_wer": 100 * 0.9**epoch + rng.random(),
            "dev_cer": 30 * 0.9**epoch,
            "lr": 1e-3 / epoch,
        }
        for epoch in range(1, epochs + 1)
    ]


def drawn(path) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(path.read_bytes()), format="png")


def test_a_kept_figure_draws_what_a_new_one_would(tmp_path):
    kept = Curves(tmp_path / "kept.png", "exp")
    for epochs in (1, 3, 70, 20):
        kept.draw(history(epochs))
        Curves(tmp_path / "new.png", "exp").draw(history(epochs))
        np.testing.assert_array_equal(drawn(tmp_path / "kept.png"), drawn(tmp_path / "new.png"))
    assert drawn(tmp_path / "new.png").shape[:2] == (round(SIZE[1] * DPI), round(SIZE[0] * DPI))


def test_all_values_lie_within_the_picture_and_the_best_epoch_is_marked(tmp_path):
    curves, metrics = Curves(tmp_path / "curves.png", "exp"), history(30)
    metrics[11]["dev_wer"] = 0.5
    curves.draw(metrics)
    for name, line in curves.lines.items():
        epochs, values = line.get_data()
        assert list(epochs) == [each["epoch"] for each in metrics]
        assert list(values) == [each[name] for each in metrics]
        (left, right), (low, high) = line.axes.get_xlim(), line.axes.get_ylim()
        assert left < 1
        assert right > 30
        assert low <= min(values)
        assert max(values) < high
    assert [list(each.get_xdata()) for each in curves.marks] == [[12, 12]] * 3
    texts = [text.get_text() for text in curves.axes[1].get_legend().get_texts()]
    assert texts[2].startswith("best: epoch 12, WER 0.5 %")


def test_the_best_is_that_of_lowest_wer_then_loss_then_the_last():
    rows = [(9.0, 0.3), (8.0, 0.5), (8.0, 0.4), (None, 0.1), (8.0, 0.4), (float("nan"), 0.1)]
    assert best([{"dev_wer": wer, "dev_loss": loss} for wer, loss in rows]) == 4


def test_undefined_and_absent_metrics_leave_gaps(tmp_path):
    curves = Curves(tmp_path / "curves.png", "exp")
    curves.draw([{"epoch": 1, "train_loss": None}])
    metrics = history(3)
    metrics[1]["dev_loss"] = None
    curves.draw(metrics)
    values = curves.lines["dev_loss"].get_ydata()
    assert np.isnan(values).tolist() == [False, True, False]
    assert curves.axes[0].get_ylim()[1] < 10
