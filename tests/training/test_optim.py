"""Schedules against their formulas, averages against theirs."""

from __future__ import annotations

import math

import pytest
import torch

from dstoolkit.training.optim import Average, make_optimizer, make_scheduler


def rates(settings, steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = make_scheduler(settings, optimizer, steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_cosine_rises_linearly_then_falls_to_nothing():
    found = rates({"name": "cosine", "warmup": 0.25}, 100)
    assert found[:24] == pytest.approx([2.0 * (step + 1) / 25 for step in range(24)])
    assert max(found) == pytest.approx(2.0)
    middle = 0.25 + 0.75 / 2
    assert found[int(middle * 100) - 1] == pytest.approx(1 + math.cos(math.pi * (0.62 - 0.25) / 0.75), abs=1e-6)
    assert found[-1] == pytest.approx(0.0, abs=1e-9)


def test_constant_stays_after_the_warm_up():
    found = rates({"name": "constant", "warmup": 0.1}, 50)
    assert found[:4] == pytest.approx([0.4, 0.8, 1.2, 1.6])
    assert found[5:] == [2.0] * 45


def test_names_of_others_are_left_to_others():
    parameters = [torch.nn.Parameter(torch.zeros(1))]
    assert make_optimizer({"name": "lion", "lr": 1.0}, parameters) is None
    assert make_scheduler({"name": "noam"}, torch.optim.SGD(parameters, lr=1.0), 10) is None
    optimizer = make_optimizer({"name": "sgd", "lr": 0.5, "weight_decay": 0.0, "momentum": 0.8}, parameters)
    assert isinstance(optimizer, torch.optim.SGD)
    assert optimizer.defaults["nesterov"]
    assert optimizer.defaults["momentum"] == 0.8


def test_average_follows_its_formula_and_copies_buffers():
    model = torch.nn.BatchNorm1d(1)
    average = Average(model, 0.5)
    expected = 1.0
    for step in range(1, 30):
        with torch.no_grad():
            model.weight.fill_(float(step))
            model.running_mean.fill_(float(-step))
        average.update(model, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        assert average.model.weight.item() == pytest.approx(expected, rel=1e-5)
        assert average.model.running_mean.item() == -step
    assert not average.model.training
