"""Optimizers against their formulas in float64, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dstoolkit.errors import ConfigError, Faults
from dstoolkit.training.optim import chosen, make_optimizer

GRADIENTS = np.random.default_rng(0).normal(size=(20, 5))


def parameter(dtype: torch.dtype = torch.float32) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.linspace(-1, 1, 5, dtype=dtype))


def trained(settings: dict[str, object]) -> np.ndarray:
    weights = parameter()
    optimizer = make_optimizer(settings, iter([weights]))
    for gradient in GRADIENTS:
        weights.grad = torch.from_numpy(gradient.astype(np.float32))
        optimizer.step()
    return weights.detach().numpy()


def adam(decoupled: float, coupled: float) -> np.ndarray:
    """Algorithm 1 of Kingma & Ba 2015 and 2 of Loshchilov & Hutter 2019, betas 0.9 and 0.98, rate 0.01."""
    weights, first, second = np.linspace(-1, 1, 5), np.zeros(5), np.zeros(5)
    for step, given in enumerate(GRADIENTS, 1):
        gradient = given + coupled * weights
        first = 0.9 * first + 0.1 * gradient
        second = 0.98 * second + 0.02 * gradient**2
        change = (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.98**step)) + 1e-8)
        weights = weights - 0.01 * (change + decoupled * weights)
    return weights


def nesterov(momentum: float, decay: float) -> np.ndarray:
    """Sutskever et al. 2013, in the form that looks ahead from the new velocity; the first velocity is the gradient."""
    weights, velocity = np.linspace(-1, 1, 5), np.zeros(5)
    for given in GRADIENTS:
        gradient = given + decay * weights
        velocity = momentum * velocity + gradient
        weights = weights - 0.01 * (gradient + momentum * velocity)
    return weights


def rmsprop(rho: float, epsilon: float) -> np.ndarray:
    """Tieleman & Hinton 2012, lecture 6.5."""
    weights, squares = np.linspace(-1, 1, 5), np.zeros(5)
    for gradient in GRADIENTS:
        squares = rho * squares + (1 - rho) * gradient**2
        weights = weights - 0.01 * gradient / (np.sqrt(squares) + epsilon)
    return weights


def adadelta(rho: float, epsilon: float) -> np.ndarray:
    """Algorithm 1 of Zeiler 2012, times a rate."""
    weights, squares, changes = np.linspace(-1, 1, 5), np.zeros(5), np.zeros(5)
    for gradient in GRADIENTS:
        squares = rho * squares + (1 - rho) * gradient**2
        change = np.sqrt(changes + epsilon) / np.sqrt(squares + epsilon) * gradient
        changes = rho * changes + (1 - rho) * change**2
        weights = weights - 0.01 * change
    return weights


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"name": "adamw", "weight_decay": 0.3}, adam(0.3, 0.0)),
        ({"name": "adamw", "weight_decay": 0.3, "fused": False}, adam(0.3, 0.0)),
        ({"name": "adam", "weight_decay": 0.3}, adam(0.0, 0.3)),
        ({"name": "rmsprop", "weight_decay": 0.0, "alpha": 0.9, "eps": 1e-4}, rmsprop(0.9, 1e-4)),
        ({"name": "adadelta", "weight_decay": 0.0, "rho": 0.95, "eps": 1e-2}, adadelta(0.95, 1e-2)),
        ({"name": "sgd", "weight_decay": 0.3}, nesterov(0.9, 0.3)),
        ({"name": "sgd", "weight_decay": 0.0, "momentum": 0.5}, nesterov(0.5, 0.0)),
        ({"name": "sgd", "weight_decay": 0.0, "momentum": 0.0}, nesterov(0.0, 0.0)),
    ],
)
def test_steps_are_the_papers(settings, expected):
    np.testing.assert_allclose(trained({"lr": 0.01, **settings}), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_steps_are_fused_where_torch_can_and_the_user_does_not_choose(name):
    def fused(dtype: torch.dtype = torch.float32, **options: bool) -> bool:
        optimizer = make_optimizer({"name": name, "lr": 0.1, **options}, [parameter(dtype)])
        return bool(optimizer.param_groups[0]["fused"])

    assert fused()
    assert not fused(fused=False)
    assert not fused(foreach=True)
    assert not fused(differentiable=True)
    assert not fused(torch.float64)
    assert fused(torch.float64, fused=True)


def test_names_of_others_are_left_to_others():
    assert make_optimizer({"name": "lion", "lr": 1.0}, [parameter()]) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "adamw", "beta": 1}, "train.optimizer.beta: no such option; did you mean 'betas'?"),
        ({"name": "sgd", "nesterov": "no"}, "train.optimizer.nesterov: 'no'; expected true or false"),
        ({"name": "sgd", "momentum": "much"}, "train.optimizer: "),
        ({"name": "adamw", "betas": [0.9, 2.0]}, "train.optimizer: Invalid beta parameter at index 1: 2.0"),
        ({"name": "sgd", "momentum": 0, "nesterov": True}, "train.optimizer: Nesterov momentum requires a momentum"),
        ({"name": "adamw", "fused": True, "foreach": True}, "train.optimizer: `fused` and `foreach` cannot"),
        ({"name": "adamww"}, "train.optimizer: no optimizer 'adamww'; did you mean 'adamw'?"),
        ({"name": "sgdm"}, "train.optimizer: no optimizer 'sgdm'; did you mean 'sgd'?"),
        (
            {"name": "muon"},
            "train.optimizer: no optimizer 'muon'; expected one of: adamw, adam, sgd, rmsprop, adadelta; see",
        ),
    ],
)
def test_what_cannot_be_is_refused(settings, message):
    with pytest.raises(ConfigError) as refused:
        chosen("optimizer", {"lr": 0.1, "weight_decay": 0.0, **settings}, parameters=[parameter()])
    assert str(refused.value).startswith(message)


def test_all_faults_at_once():
    with pytest.raises(
        Faults, match=r"^train\.optimizer\.momentun: no such option; did you mean 'momentum'\?\n"
    ) as refused:
        make_optimizer({"name": "sgd", "lr": 0.1, "momentun": 0.8, "fused": "yes"}, [parameter()])
    assert len(refused.value.faults) == 2
