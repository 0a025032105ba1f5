"""Recurrent layers against torch's own on packed sequences, the clipped one against its formula, and lookahead."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from dstoolkit.models.clipped import ClippedRNN
from dstoolkit.models.deepspeech import DeepSpeech, DeepSpeechConfig
from dstoolkit.models.depthwise import Depthwise
from dstoolkit.models.gru import GRU
from dstoolkit.models.masking import reversal, zero_padding
from dstoolkit.models.recurrent import Recurrent, RecurrentConfig

LENGTHS = torch.tensor([9, 4, 7])


def peer(kind, ours):
    """torch's bidirectional layer with our weights."""
    options = {"nonlinearity": "relu"} if kind is nn.RNN else {}
    oracle = kind(6, 5, batch_first=True, bidirectional=True, **options).double()
    for layer, suffix in zip(ours.directions, ("", "_reverse"), strict=True):
        for name, parameter in layer.named_parameters():
            getattr(oracle, f"{name}{suffix}").data.copy_(parameter)
    return oracle


@pytest.mark.parametrize(("name", "kind"), [("lstm", nn.LSTM), ("gru", nn.GRU), ("rnn", nn.RNN)])
def test_a_layer_equals_torchs_on_packed_sequences(name, kind):
    torch.manual_seed(0)
    clip = 1e9 if name == "rnn" else 20.0
    ours = Recurrent(RecurrentConfig(rnn=name, size=5, clip=clip), 6).double()
    oracle = peer(kind, ours)
    batch = torch.randn(3, 9, 6, dtype=torch.float64)
    packed = nn.utils.rnn.pack_padded_sequence(batch, LENGTHS, batch_first=True, enforce_sorted=False)
    expected = nn.utils.rnn.pad_packed_sequence(oracle(packed)[0], batch_first=True)[0]
    output = zero_padding(ours(batch, reversal(LENGTHS, 9)), LENGTHS)
    torch.testing.assert_close(output, expected)
    weights = torch.randn(expected.shape, dtype=torch.float64)
    for each in (output, expected):
        each.backward(weights)
    for layer, suffix in zip(ours.directions, ("", "_reverse"), strict=True):
        for parameter, value in layer.named_parameters():
            torch.testing.assert_close(value.grad, getattr(oracle, f"{parameter}{suffix}").grad)


def clipped():
    torch.manual_seed(1)
    layer = ClippedRNN(4, 3, clip=0.4).double()
    batch = torch.randn(7, 2, 4, dtype=torch.float64)
    return layer, batch


def test_the_clipped_layer_is_its_formula():
    layer, batch = clipped()
    state, expected = torch.zeros(2, 3, dtype=torch.float64), []
    for frame in batch:
        total = layer.bias_ih_l0 + layer.bias_hh_l0 + frame @ layer.weight_ih_l0.t() + state @ layer.weight_hh_l0.t()
        state = torch.minimum(total.relu(), torch.tensor(0.4))
        expected.append(state)
    output, last = layer(batch)
    assert (output == 0).any()
    assert (output == 0.4).any()
    torch.testing.assert_close(output, torch.stack(expected))
    torch.testing.assert_close(last[0], expected[-1])


@pytest.mark.parametrize("frames", [1, 7])
def test_the_clipped_layers_gradients_are_those_of_finite_differences(frames):
    layer, batch = clipped()
    parameters = list(layer.parameters())

    def function(given, *_):
        return layer(given)[0]

    assert torch.autograd.gradcheck(function, (batch[:frames].requires_grad_(), *parameters))


def test_the_clipped_layer_trains_under_autocast():
    layer, batch = clipped()
    layer, batch = layer.float(), batch.float()
    expected = layer(batch)[0]
    with torch.autocast("cpu", torch.bfloat16):
        output = layer(batch)[0]
    output.float().sum().backward()
    torch.testing.assert_close(output.float(), expected, rtol=0.03, atol=0.03)
    assert all(each.grad.dtype == torch.float32 and each.grad.isfinite().all() for each in layer.parameters())


@pytest.mark.parametrize("frames", [1, 15, 16, 17, 40])
def test_the_gru_is_torchs(frames):
    """Around the borders of the chunks in which it goes back."""
    torch.manual_seed(2)
    ours, oracle = GRU(4, 3).double(), nn.GRU(4, 3).double()
    oracle.load_state_dict(ours.state_dict())
    batches = [torch.randn(frames, 2, 4, dtype=torch.float64).requires_grad_()]
    batches.append(batches[0].detach().clone().requires_grad_())
    weights = torch.randn(frames, 2, 3, dtype=torch.float64)
    found = [layer(batch) for layer, batch in zip((ours, oracle), batches, strict=True)]
    for output, _ in found:
        output.backward(weights)
    for mine, theirs in (*zip(*found, strict=True), [batch.grad for batch in batches]):
        torch.testing.assert_close(mine, theirs)
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, oracle.get_parameter(name).grad)


def test_the_gru_is_torchs_in_float32_to_rounding():
    torch.manual_seed(3)
    ours, oracle = GRU(64, 96), nn.GRU(64, 96)
    oracle.load_state_dict(ours.state_dict())
    batch, weights = torch.randn(100, 4, 64), torch.randn(100, 4, 96)
    for layer in (ours, oracle):
        (layer(batch)[0] * weights).sum().backward()
    torch.testing.assert_close(ours(batch)[0], oracle(batch)[0], rtol=0, atol=2e-6)
    for name, parameter in ours.named_parameters():
        expected = oracle.get_parameter(name).grad
        torch.testing.assert_close(parameter.grad, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("rnn", ["lstm", "gru", "rnn"])
def test_a_compiled_encoder_gives_what_it_gave(rnn):
    torch.manual_seed(0)
    model = DeepSpeech(DeepSpeechConfig(kernels=8, size=5, layers=2, rnn=rnn, dropout=0.0), 6).train()
    frames, lengths = torch.randn(2, 24, 6), torch.tensor([24, 17])
    expected, _ = copy.deepcopy(model)(frames, lengths)
    output, _ = torch.compile(model, backend="aot_eager")(frames, lengths)
    torch.testing.assert_close(output, expected)


def test_depthwise_is_a_sum_over_its_own_units_neighbours():
    torch.manual_seed(0)
    layer = Depthwise(3, before=1, after=2, bias=True).double()
    batch = torch.randn(2, 6, 3, dtype=torch.float64)
    padded = nn.functional.pad(batch, (0, 0, 1, 2))
    weight = layer.convolution.weight[:, 0]
    expected = sum(padded[:, at : at + 6] * weight[:, at] for at in range(4)) + layer.convolution.bias
    torch.testing.assert_close(layer(batch), expected)
    assert torch.autograd.gradcheck(layer, batch.requires_grad_())


def test_lookahead_hears_so_many_frames_and_no_more():
    layer = Depthwise(2, 0, 3)
    batch = torch.randn(1, 10, 2).requires_grad_()
    layer(batch)[0, 4].sum().backward()
    assert batch.grad[0].abs().sum(1).nonzero()[:, 0].tolist() == [4, 5, 6, 7]
