"""Schedules against their formulas and torch's own, and going on from a checkpoint in their middle."""

from __future__ import annotations

import copy
import dataclasses
import io
import math
import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dstoolkit import config
from dstoolkit.errors import ConfigError, Faults
from dstoolkit.pipeline.experiment import TrainConfig
from dstoolkit.training.optim import chosen
from dstoolkit.training.schedules import ENDLESS, SCHEDULES, after_epoch, after_step, check, make_scheduler

DOCS = Path(__file__).resolve().parents[2] / "docs/configuration.md"
PEAK = 2.0
LOSSES = (3.0, 2.0, 2.5, 2.4, 2.3, 2.2, 2.1, 1.0, 1.1, 1.2, float("nan"), 1.3)


def documented() -> dict[str, dict[str, object]]:
    """Schedule -> option -> default, as the table of docs/configuration.md has them."""
    text = DOCS.read_text(encoding="utf-8").partition("\n### Schedules\n")[2]
    found: dict[str, dict[str, object]] = {}
    options: dict[str, object] = {}
    for name, option, default in re.findall(r"^\| `?(\w*)`? ?\| `?(\w*)`? ?\| `?([^|`]*)`? ?\|", text, re.MULTILINE):
        if name != "schedule":
            options = found.setdefault(name, {}) if name else options
            options.update({option: config.parse_value(default.strip())} if option else {})
    return found


def test_every_schedule_and_option_is_documented():
    ours = {
        name: {each.name: each.default for each in dataclasses.fields(kind) if each.name != "warmup"}
        for name, kind in SCHEDULES.items()
    }
    assert documented() == ours


def test_inverse_falls_by_the_step_whatever_their_number():
    """Keras's formula, ``lr / (1 + decay * iterations)``; twice the steps change nothing."""
    for total in (10, 20):
        optimizer = make_optimizer()
        scheduler = make_scheduler({"name": "inverse", "decay": 0.5, "warmup": 0}, optimizer, total)
        for step in range(10):
            assert optimizer.param_groups[0]["lr"] == pytest.approx(PEAK / (1 + 0.5 * step))
            optimizer.step()
            after_step(scheduler)
    with pytest.raises(ConfigError, match="decay is -1; expected 0 or more"):
        make_scheduler({"name": "inverse", "decay": -1.0}, make_optimizer(), 10)


def make_optimizer(kind=torch.optim.SGD, **options):
    return kind([torch.nn.Parameter(torch.zeros(1))], lr=PEAK, **options)


def rates(settings, steps, extra=0, optimizer=None):
    optimizer = optimizer or make_optimizer()
    scheduler = make_scheduler(settings, optimizer, steps)
    found = []
    for _ in range(steps + extra):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        after_step(scheduler)
    return found


def test_cosine_rises_linearly_then_falls_to_nothing():
    found = rates({"name": "cosine", "warmup": 0.25}, 100)
    assert found[:24] == pytest.approx([2.0 * (step + 1) / 25 for step in range(24)])
    assert max(found) == pytest.approx(2.0)
    middle = 0.25 + 0.75 / 2
    assert found[int(middle * 100) - 1] == pytest.approx(1 + math.cos(math.pi * (0.62 - 0.25) / 0.75), abs=1e-6)
    assert found[-1] == pytest.approx(0.0, abs=1e-9)


def test_cosine_with_a_final_rate_equals_torchs_annealing():
    optimizer = make_optimizer()
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50, eta_min=0.5)
    expected = []
    for _ in range(50):
        optimizer.step()
        theirs.step()
        expected.append(optimizer.param_groups[0]["lr"])
    assert rates({"name": "cosine", "warmup": 0.0, "final": 0.25}, 50) == pytest.approx(expected)


def test_constant_stays_after_the_warm_up():
    found = rates({"name": "constant", "warmup": 0.1}, 50)
    assert found[:4] == pytest.approx([0.4, 0.8, 1.2, 1.6])
    assert found[5:] == [2.0] * 45


def test_exponential_falls_by_the_same_ratio_each_step():
    found = rates({"name": "exponential", "warmup": 0.2, "final": 0.05}, 50)
    assert found[:10] == pytest.approx([2.0 * (step + 1) / 10 for step in range(10)])
    assert [after / before for before, after in pairwise(found[9:])] == pytest.approx([0.05 ** (1 / 40)] * 40)
    assert found[-1] == pytest.approx(0.05 * PEAK)


def test_noam_is_the_papers_scaled_to_the_peak():
    def paper(step: int, warmup_steps: int, size: int) -> float:
        return size**-0.5 * min(step**-0.5, step * warmup_steps**-1.5)

    scale = PEAK / paper(20, 20, 512)
    found = rates({"name": "noam", "warmup": 0.2}, 100)
    assert found == pytest.approx([scale * paper(step, 20, 512) for step in range(1, 101)])


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_onecycle_is_torchs_with_its_own_ends(kind):
    options = {"momentum": 0.9} if kind is torch.optim.SGD else {}
    ours, theirs = make_optimizer(kind, **options), make_optimizer(kind, **options)
    settings = {"name": "onecycle", "warmup": 0.3, "div": 10, "final_div": 1000.0}
    mine = make_scheduler(settings, ours, 40)
    expected = torch.optim.lr_scheduler.OneCycleLR(theirs, PEAK, 40, div_factor=10, final_div_factor=100)
    momenta = []
    for step in range(40):
        keys = ("lr", "momentum" if options else "betas")
        assert [ours.param_groups[0][key] for key in keys] == [theirs.param_groups[0][key] for key in keys]
        momenta.append(ours.param_groups[0][keys[1]])
        ours.step()
        theirs.step()
        after_step(mine)
        if step < 39:
            expected.step()
    assert ours.param_groups[0]["lr"] == pytest.approx(PEAK / 1000)
    lows = [each if options else each[0] for each in momenta]
    assert (lows[0], min(lows), lows[-1]) == pytest.approx((0.95, 0.85, 0.95))
    assert lows.index(min(lows)) == 11


def test_onecycle_leaves_the_momentum_alone_where_told_to():
    optimizer = make_optimizer(momentum=0.7)
    rates({"name": "onecycle", "warmup": 0.3, "cycle_momentum": False}, 20, optimizer=optimizer)
    assert optimizer.param_groups[0]["momentum"] == 0.7


def epochs(scheduler, optimizer, losses, steps):
    """The rate at each epoch's end, of so many steps and a validation each."""
    found = []
    for loss in losses:
        for _ in range(steps):
            optimizer.step()
            after_step(scheduler)
        after_epoch(scheduler, loss)
        found.append(optimizer.param_groups[0]["lr"])
    return found


def test_plateau_warms_up_then_falls_as_torchs_does():
    settings = {"name": "plateau", "warmup": 0.25, "factor": 0.5, "patience": 1, "final": 0.2}
    assert rates(settings, 40)[:12] == pytest.approx([PEAK * min(1, (step + 1) / 10) for step in range(12)])
    optimizer, other = make_optimizer(), make_optimizer()
    scheduler = make_scheduler(settings, optimizer, 40)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(other, factor=0.5, patience=1, min_lr=0.2 * PEAK)
    found = epochs(scheduler, optimizer, [0.0, 0.0, *LOSSES], 4)  # while the rate rises, no validation counts
    assert found[:2] == pytest.approx([PEAK * 5 / 10, PEAK * 9 / 10])
    expected = []
    for loss in LOSSES:
        theirs.step(loss)
        expected.append(other.param_groups[0]["lr"])
    assert found[2:] == expected
    assert len(set(expected)) == 4
    assert expected[-1] == 0.2 * PEAK


def test_a_strangers_plateau_sees_validations_only():
    optimizer = make_optimizer()
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    assert epochs(scheduler, optimizer, [1.0, 1.0, 0.5], 3) == [2.0, 1.0, 1.0]


def test_a_strangers_other_schedule_sees_steps_only():
    optimizer = make_optimizer()
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 6, gamma=0.5)
    assert epochs(scheduler, optimizer, [1.0, 1.0, 1.0, 1.0], 3) == [2.0, 1.0, 1.0, 0.5]


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("epoch", [1, 4, 9])
def test_going_on_from_a_checkpoint_changes_nothing(name, epoch):
    """Saved in the middle, by torch.save, and loaded by its safe unpickler: the same rates and momenta after."""
    settings = {"name": name, "warmup": 0.3}

    def begin():
        optimizer = make_optimizer(torch.optim.AdamW)
        return optimizer, make_scheduler(settings, optimizer, 36)

    def go_on(optimizer, scheduler):
        groups = []
        for loss in LOSSES[epoch:]:
            epochs(scheduler, optimizer, [loss], 3)
            groups.append({key: value for key, value in optimizer.param_groups[0].items() if key != "params"})
        return copy.deepcopy(groups)

    optimizer, scheduler = begin()
    epochs(scheduler, optimizer, LOSSES[:epoch], 3)
    file = io.BytesIO()
    torch.save((optimizer.state_dict(), scheduler.state_dict()), file)
    file.seek(0)
    fresh, resumed = begin()
    for each, state in zip((fresh, resumed), torch.load(file, weights_only=True), strict=True):
        each.load_state_dict(state)
    expected = go_on(optimizer, scheduler)
    assert go_on(fresh, resumed) == expected
    assert len({each["lr"] for each in expected}) > 1 or name in ("constant", "plateau")


@hypothesis_settings(deadline=None)
@given(st.sampled_from(sorted(SCHEDULES)), st.integers(1, 40), st.integers(1, 99), st.integers(0, 5))
def test_any_number_of_steps_has_a_rate_from_above_0_to_the_peak(name, steps, percent, extra):
    """Also where a training takes more steps than were foreseen, and where the warm-up ends within a step."""
    found = rates({"name": name, "warmup": percent / 100}, steps, extra, make_optimizer(momentum=0.9))
    assert all(0 <= each <= PEAK * (1 + 1e-12) for each in found)
    assert all(each > 0 for each in found[: steps - 1])
    if name == "inverse":  # foresees no number of steps
        assert all(later < former for former, later in pairwise(found[steps - 1 :]))
    else:
        assert found[steps:] == pytest.approx([found[steps - 1]] * extra)
    if steps >= 10:
        assert max(found) > (0.3 if name == "noam" and percent < 10 else 0.8) * PEAK


@pytest.mark.parametrize("settings", [{"name": name, "warmup": 0.1} for name in ("onecycle", "cosine", "plateau")])
def test_a_warm_up_of_one_step_begins_at_the_peak(settings):
    assert rates(settings, 10, optimizer=make_optimizer(momentum=0.9))[0] == pytest.approx(PEAK, rel=0.04)


def test_names_of_others_are_left_to_others():
    assert make_scheduler({"name": "wave"}, make_optimizer(), 10) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "cosine", "warmpu": 0.1}, "train.scheduler: warmpu: no such option; did you mean 'warmup'?"),
        ({"name": "constant", "final": 0.1}, "train.scheduler: final: no such option; expected one of: warmup"),
        ({"name": "cosine", "final": "low"}, "train.scheduler: final: 'low'; expected a number"),
        ({"name": "plateau", "patience": 1.5}, "train.scheduler: patience: 1.5; expected a whole number"),
        ({"name": "cosine", "warmup": 1.0}, "train.scheduler: warmup is 1; expected 0 to below 1"),
        ({"name": "cosine", "final": 2.0}, "train.scheduler: final is 2; expected 0 to 1"),
        ({"name": "exponential", "final": 0.0}, "train.scheduler: final is 0; expected above 0, to 1"),
        ({"name": "noam", "warmup": 0.0}, "train.scheduler: warmup is 0; noam falls from the end of its warm-up"),
        ({"name": "onecycle", "div": 0.5}, "train.scheduler: div and final_div must be 1 or more"),
        ({"name": "onecycle", "max_momentum": 0.5}, "train.scheduler: expected 0 <= base_momentum <= max_momentum < 1"),
        ({"name": "plateau", "factor": 1.0}, "train.scheduler: factor must be above 0 and below 1"),
        ({"name": "plateau", "patience": -1}, "train.scheduler: patience is -1; expected 0 or more"),
        ({"name": "cosinus"}, "train.scheduler: no scheduler 'cosinus'; did you mean 'cosine'?; see docs/"),
        ({"name": "onecycel"}, "train.scheduler: no scheduler 'onecycel'; did you mean 'onecycle'?"),
    ],
)
def test_what_cannot_be_is_refused(settings, message):
    with pytest.raises(ConfigError) as refused:
        chosen("scheduler", settings, optimizer=make_optimizer(), total_steps=10)
    assert str(refused.value).startswith(message)


def test_all_faults_at_once():
    with pytest.raises(Faults) as refused:
        make_scheduler({"name": "onecycle", "dvi": 2, "final_div": "x"}, make_optimizer(), 10)
    assert len(refused.value.faults) == 2


def test_a_momentum_cannot_be_cycled_where_there_is_none():
    optimizer = make_optimizer(torch.optim.Adagrad)
    with pytest.raises(ConfigError, match=r"^train.scheduler: optimizer must support momentum"):
        make_scheduler({"name": "onecycle"}, optimizer, 10)
    assert max(rates({"name": "onecycle", "warmup": 0.5, "cycle_momentum": False}, 10, optimizer=optimizer)) == PEAK


def test_without_a_number_of_steps_rates_are_those_of_any():
    """Of ours that can be had so; the others are refused."""
    for name in ENDLESS:
        settings = {"name": name, "warmup": 0.0}
        assert stepped(settings, 0) == stepped(settings, 7)
        check(TrainConfig(epochs=0, warmup=0.0, scheduler=config.Choice(name)))
    for name in SCHEDULES.keys() - set(ENDLESS):
        with pytest.raises(ConfigError, match=rf"^train.epochs: 0 needs a schedule .* as '{name}' is; expected "):
            make_scheduler({"name": name}, make_optimizer(), 0)
    check(TrainConfig(epochs=0, scheduler=config.Choice("another's")))  # who knows


def stepped(settings: dict[str, object], total: int) -> list[float]:
    """The rates of twelve steps with a validation, no better than before, after each."""
    optimizer = make_optimizer()
    scheduler = make_scheduler(settings, optimizer, total)
    found = []
    for _ in range(12):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        after_step(scheduler)
        after_epoch(scheduler, 1.0)
    return found
