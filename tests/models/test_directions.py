"""Directions side by side give what they give one after another, to the bit, and their gradients too."""

from __future__ import annotations

import pytest
import torch

from dstoolkit.models import directions


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def layers(kind=torch.nn.LSTM):
    torch.manual_seed(0)
    return [kind(6, 5), kind(6, 5)]


def results(found, given, inputs):
    (found[0].square().sum() + 3 * found[1].sum()).backward()
    return [each.grad for each in (*inputs, *(parameter for layer in given for parameter in layer.parameters()))]


@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize("kind", [torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN])
def test_outputs_and_gradients_equal_those_one_after_another(two_threads, kind, reduced):
    outcomes = []
    for together in (True, False):
        given = layers(kind)
        inputs = [torch.randn(9, 3, 6, requires_grad=True) for _ in range(2)]
        assert directions.side_by_side(inputs, given)
        with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            found = (
                directions.run(inputs, given)
                if together
                else [layer(each)[0] for each, layer in zip(inputs, given, strict=True)]
            )
        assert reduced == any(each.dtype == torch.bfloat16 for each in found) or kind is torch.nn.GRU
        outcomes.append([*found, *results(found, given, inputs)])
    for one, other in zip(*outcomes, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-2 if reduced else 1e-5, atol=2e-2 if reduced else 1e-6)


def test_frozen_layers_get_no_gradient(two_threads):
    given = layers()
    given[1].requires_grad_(False)
    inputs = [torch.randn(9, 3, 6, requires_grad=True) for _ in range(2)]
    gradients = results(directions.run(inputs, given), given, inputs)
    assert [each is None for each in gradients] == [False] * 6 + [True] * 4


def test_without_gradients_no_graph_is_kept(two_threads):
    given = layers()
    with torch.no_grad():
        found = directions.run([torch.randn(9, 3, 6)] * 2, given)
    assert not any(each.requires_grad for each in found)


def test_one_thread_or_one_direction_runs_in_line():
    given = layers()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert not directions.side_by_side([torch.zeros(2, 1, 6)] * 2, given)
    finally:
        torch.set_num_threads(before)
    assert not directions.side_by_side([torch.zeros(2, 1, 6)], given[:1])


def test_an_error_in_a_direction_reaches_the_caller(two_threads):
    with pytest.raises(RuntimeError, match="must be equal"):
        directions.run([torch.randn(9, 3, 6), torch.randn(9, 3, 7)], layers())
