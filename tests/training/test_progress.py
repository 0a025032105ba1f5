"""Speed and time left are those a stop-watch gives; a log file gets a line a minute, a terminal a bar."""

from __future__ import annotations

import io
import logging
import math
import sys

import pytest

from dstoolkit.training.progress import Progress, clock_time


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_speed_and_time_left_are_those_by_hand():
    clock = Clock()
    with Progress(2, 5, [100] * 10, 0, 3000, clock) as progress:
        for _ in range(4):
            clock.now += 5
            progress.step(2.0, 100)
        assert progress.state(clock.now) == "loss 2.000  20 frames/s  epoch 0:30 left  training 3:00 left"


def test_steps_of_a_run_before_count_as_done_but_not_for_the_speed():
    clock = Clock()
    with Progress(1, 1, [100] * 10, 5, 0, clock) as progress:
        clock.now += 10
        progress.step(1.0, 100)
        assert progress.state(clock.now) == "loss 1.000  10 frames/s  epoch 0:40 left  training 0:40 left"


def test_the_loss_is_a_mean_at_first_follows_later_and_skips_what_is_no_number():
    with Progress(1, 1, [1] * 500, 0, 0, Clock()) as progress:
        for loss in (4.0, 2.0, float("nan"), float("inf")):
            progress.step(loss, 1)
        assert progress.loss == pytest.approx(3.0)
        for _ in range(300):
            progress.step(1.0, 1)
        assert progress.loss == pytest.approx(1.0, abs=1e-3)


def test_a_log_file_gets_a_line_a_minute_and_none_for_a_short_epoch(capsys):
    clock = Clock()
    with Progress(1, 2, [10] * 100, 0, 1000, clock) as progress:
        for _ in range(14):
            clock.now += 10
            progress.step(1.0, 10)
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert [line[: line.index("  loss")] for line in lines] == ["epoch 1/2  step 6/100", "epoch 1/2  step 12/100"]
    assert lines[1].endswith("loss 1.000  1 frames/s  epoch 14:40 left  training 31:20 left")
    with Progress(2, 2, [10] * 5, 0, 0, clock) as progress:
        for _ in range(5):
            clock.now += 11
            progress.step(1.0, 10)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar_and_no_lines_unless_each_step_has_its_own(monkeypatch, caplog):
    for level, shown in ((logging.INFO, True), (logging.DEBUG, False)):
        caplog.set_level(level, "dstoolkit")
        monkeypatch.setattr(sys, "stderr", Terminal())
        clock = Clock()
        with Progress(3, 4, [10] * 2, 0, 20, clock) as progress:
            for _ in range(2):
                clock.now += 100
                progress.step(1.5, 10)
            progress.bar.refresh()
            output = sys.stderr.getvalue()
        assert ("loss 1.500" in output and "epoch 3/4 100%|" in output) == shown
        assert ("step 2/2" in output) != shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (250.4, "4:10"), (3599.6, "1:00:00"), (7800, "2:10:00"), (177000, "49:10:00")]
)
def test_times_are_written_as_a_stop_watch_shows_them(seconds, shown):
    assert clock_time(seconds) == shown


@pytest.mark.parametrize(("left", "shown"), [(math.inf, ""), (20.0, "  training 0:20 left")])
def test_a_training_without_a_number_of_epochs_has_no_end_but_that_of_its_time(capsys, left, shown):
    clock = Clock()
    with Progress(3, 0, [100] * 10, 0, 0, clock, lambda: left) as progress:
        clock.now += 100
        progress.step(2.0, 100)
        assert progress.state(clock.now) == f"loss 2.000  1 frames/s  epoch 15:00 left{shown}"
    assert capsys.readouterr().err.startswith("epoch 3  step 1/10  loss")


def test_the_sooner_of_two_ends_is_shown_and_pauses_do_not_count():
    clock = Clock()
    with Progress(1, 2, [100] * 10, 0, 1000, clock, lambda: 50.0) as progress:
        clock.now += 10
        with progress.paused():
            clock.now += 1000
        progress.step(1.0, 500)
        assert progress.state(clock.now) == "loss 1.000  50 frames/s  epoch 0:10 left  training 0:30 left"
        progress.later = 10**6
        assert progress.state(clock.now).endswith("training 0:50 left")
