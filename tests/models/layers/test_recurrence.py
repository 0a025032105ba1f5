"""The word ``recurrent``: torch's cells, the papers' formulas and other arrangements of them are the oracle."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dstoolkit.models.layers.cells import ActivatedGRU, ActivatedLSTM
from dstoolkit.models.layers.description import describe
from dstoolkit.models.layers.network import Network
from dstoolkit.models.sru import SRU

LENGTHS = torch.tensor([9, 12, 4])
DIM = 6


def frames() -> Tensor:
    return torch.randn(3, 12, DIM, generator=torch.Generator().manual_seed(0))


def made(**options) -> Network:
    torch.manual_seed(1)
    return Network(describe([{"recurrent": options}]), DIM).eval()


def directions(network: Network) -> list[nn.Module]:
    return list(network.layers["0"].directions)


def read(cell: nn.Module, utterance: Tensor) -> Tensor:
    """``(frames, dim)`` -> ``(frames, size)``."""
    return cell(utterance[:, None])[0][:, 0]


@pytest.mark.parametrize("kind", ["lstm", "gru", "sru"])
@pytest.mark.parametrize("merge", ["multiply", "add", "average", "concat", None])
def test_directions_are_merged(kind, merge):
    options = {} if merge is None else {"merge": merge}
    network = made(size=8, type=kind, bidirectional=True, **options)
    first, second = directions(network)
    found = network(frames(), LENGTHS).values
    assert found.shape == (3, 12, 8)
    for at, length in enumerate(LENGTHS.tolist()):
        utterance = frames()[at, :length]
        forwards, backwards = read(first, utterance), read(second, utterance.flip(0)).flip(0)
        expected = {
            "multiply": forwards * backwards,
            "add": forwards + backwards,
            "average": (forwards + backwards) / 2,
            "concat": torch.cat([forwards, backwards], dim=1),
        }[merge or "average"]
        torch.testing.assert_close(found[at, :length], expected)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_the_cells_are_torchs(kind):
    network = made(size=8, type=kind)
    (cell,) = directions(network)
    peer = {"lstm": nn.LSTM, "gru": nn.GRU}[kind](DIM, 8)
    peer.load_state_dict(cell.state_dict())
    torch.testing.assert_close(network(frames(), LENGTHS).values[1], read(peer, frames()[1]))


def test_the_default_is_a_gru_in_one_direction():
    (cell,) = directions(made(size=8))
    assert isinstance(cell, nn.GRU)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_without_the_sequence_the_last_of_each_direction_is_left(bidirectional):
    layers = [{"recurrent": {"size": 8, "sequence": False, "bidirectional": bidirectional}}, {"repeat": 2}]
    torch.manual_seed(1)
    network = Network(describe(layers), DIM).eval()
    cells = directions(network)
    found = network(frames(), LENGTHS).values
    for at, length in enumerate(LENGTHS.tolist()):
        utterance = frames()[at, :length]
        last = [read(cell, each)[-1] for cell, each in zip(cells, (utterance, utterance.flip(0)), strict=False)]
        torch.testing.assert_close(found[at, 0], sum(last) / len(last))
        torch.testing.assert_close(found[at, 1], found[at, 0])


@pytest.mark.parametrize(("ours", "peer"), [(ActivatedGRU, nn.GRU), (ActivatedLSTM, nn.LSTM)])
def test_cells_with_tanh_written_out_are_torchs(ours, peer):
    """The same code gives the other activations."""
    torch.manual_seed(0)
    cell, other = ours(DIM, 8, "tanh"), peer(DIM, 8)
    other.load_state_dict(cell.state_dict())
    batch = frames().transpose(0, 1)
    torch.testing.assert_close(cell(batch)[0], other(batch)[0])
    torch.testing.assert_close(ours(DIM, 8, "relu")(batch)[0].isfinite().all(), torch.tensor(True))


@pytest.mark.parametrize("kind", ["lstm", "gru", "sru"])
def test_the_outer_activation_changes_what_comes_out(kind):
    """With ReLU a GRU's candidates, and so its states, which are their mixtures, are never negative."""
    tanh, relu = made(size=8, type=kind), made(size=8, type=kind, outer_activation="relu")
    relu.load_state_dict(tanh.state_dict())
    found = [each(frames(), LENGTHS).values[1] for each in (tanh, relu)]
    assert not torch.allclose(*found)
    if kind != "sru":  # whose output has a share of its input
        assert (found[0] < 0).any()
        assert not (found[1] < 0).any()


@pytest.mark.parametrize("size", [DIM, 4])
def test_sru_is_the_papers_formula(size):
    torch.manual_seed(2)
    cell = SRU(DIM, size).double()
    batch = frames().double().transpose(0, 1)
    state, expected = torch.zeros(3, size, dtype=torch.float64), []
    for x in batch:
        forget, reset = (x @ cell.gates.weight.t() + cell.gates.bias).sigmoid().split(size, dim=1)
        state = forget * state + (1 - forget) * (x @ cell.candidate.weight.t())
        carried = x if size == DIM else x @ cell.carry.weight.t()
        expected.append(reset * state.tanh() + (1 - reset) * carried)
    torch.testing.assert_close(cell(batch)[0], torch.stack(expected))


def test_the_gradient_of_sru_is_that_of_differences():
    torch.manual_seed(3)
    cell = SRU(3, 2).double()
    batch = torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda given: cell(given)[0], batch)
    assert torch.autograd.gradcheck(
        lambda weight: torch.func.functional_call(cell, {"candidate.weight": weight}, batch.detach())[0],
        cell.candidate.weight,
    )
