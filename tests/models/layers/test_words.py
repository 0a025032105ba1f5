"""Every word and every option does what it says: torch's own modules and hand-made cases are the oracle."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dstoolkit.errors import ConfigError
from dstoolkit.models.layers.description import WORDS, describe
from dstoolkit.models.layers.network import Network
from dstoolkit.models.layers.signals import Frames, Shape, Signal

LENGTHS = torch.tensor([9, 12, 4])
DIM = 6


def frames(seed: int = 0, dim: int = DIM) -> Tensor:
    return torch.randn(3, 12, dim, generator=torch.Generator().manual_seed(seed))


def made(*layers: Any, dim: int = DIM) -> Network:
    torch.manual_seed(1)
    return Network(describe(layers), dim).eval()


def word(name: str, options: Any, *sizes: int | Frames, **beside: Any) -> Any:
    """One layer by itself, on an input of this shape."""
    torch.manual_seed(1)
    (entry,) = describe([{name: options, **beside}])
    return WORDS[name](entry, [Shape(sizes)]).eval()


def parameters(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.named_parameters())


def alone(network: Network, batch: Tensor, lengths: Tensor = LENGTHS) -> list[Tensor]:
    """Each utterance's output, computed by itself."""
    return [
        network(batch[at : at + 1, :length], lengths[at : at + 1]).values[0]
        for at, length in enumerate(lengths.tolist())
    ]


@pytest.mark.parametrize("border", ["same", "valid"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_over_time_is_torchs(border, bias):
    network = made({"convolution": {"kernels": 5, "size": 3, "strides": 2, "border": border, "bias": bias}})
    weights = parameters(network)
    assert ("layers.0.kernels.0.bias" in weights) == bias
    batch = frames()
    for at, found in enumerate(alone(network, batch)):
        given = batch[at : at + 1, : LENGTHS[at]].transpose(1, 2)
        expected = nn.functional.conv1d(
            given,
            weights["layers.0.kernels.0.weight"],
            weights.get("layers.0.kernels.0.bias"),
            stride=2,
            padding=1 if border == "same" else 0,
        )
        torch.testing.assert_close(found, expected[0].t())
        count = int(network.shape.frames.count(LENGTHS[at]))
        assert (
            count == found.shape[0] == (-(-int(LENGTHS[at]) // 2) if border == "same" else (int(LENGTHS[at]) - 1) // 2)
        )


def test_a_convolution_over_time_and_frequency_is_torchs():
    network = made(
        {"expand": -1},
        {"convolution": {"kernels": 4, "size": [3, 5], "strides": [2, 3]}},
        {"parallel": {"apply": ["flatten"]}},
    )
    weights = parameters(network)
    batch = frames()
    for at, found in enumerate(alone(network, batch)):
        expected = nn.functional.conv2d(
            batch[at : at + 1, None, : LENGTHS[at]],
            weights["layers.1.kernels.0.weight"],
            weights["layers.1.kernels.0.bias"],
            stride=(2, 3),
            padding=(1, 2),
        )
        torch.testing.assert_close(found, expected[0].permute(1, 2, 0).flatten(1))


def test_a_separable_convolution_is_one_per_channel_and_one_over_channels():
    layer = word("convolution", {"kernels": 4, "size": 3, "separable": True}, Frames(), DIM)
    assert [tuple(each.shape) for each in layer.parameters()] == [(DIM, 1, 3), (4, DIM, 1), (4,)]
    batch = frames()
    found = layer(Signal(batch, torch.tensor([12, 12, 12]))).values
    apart, over, bias = layer.parameters()
    middle = nn.functional.conv1d(batch.transpose(1, 2), apart, padding=1, groups=DIM)
    torch.testing.assert_close(found, nn.functional.conv1d(middle, over, bias).transpose(1, 2))


def test_a_highway_mixes_the_input_in():
    layer = word("convolution", {"kernels": DIM, "size": 3, "highway": True}, Frames(), DIM)
    assert layer.gate[0].bias.eq(-1).all()
    batch = frames()
    signal = Signal(batch, torch.tensor([12, 12, 12]))
    weight, bias, gate, gate_bias = layer.parameters()
    plain, share = (
        nn.functional.conv1d(batch.transpose(1, 2), *each, padding=1).transpose(1, 2)
        for each in ((weight, bias), (gate, gate_bias))
    )
    share = share.sigmoid()
    torch.testing.assert_close(layer(signal).values, share * plain + (1 - share) * batch)
    dense = word("dense", {"size": DIM, "highway": True}, Frames(), DIM)
    share = dense.gates[0](batch).sigmoid()
    torch.testing.assert_close(dense(signal).values, share * dense.layers[0](batch) + (1 - share) * batch)


def test_dense_takes_a_list_flattens_and_leaves_its_bias_out():
    layer = word("dense", {"size": [4, 3], "bias": False}, Frames(), DIM)
    assert [tuple(each.shape) for each in layer.parameters()] == [(4, DIM), (3, 4)]
    first, second = layer.parameters()
    torch.testing.assert_close(layer(Signal(frames(), LENGTHS)).values, frames() @ first.t() @ second.t())
    flat = word("dense", {"size": 2, "flatten": True}, 12, DIM)
    torch.testing.assert_close(flat(Signal(frames())).values, flat.layers[0](frames().flatten(1)))
    assert str(flat.shape) == "(2)"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("softmax", lambda x: x.exp() / x.exp().sum(-1, keepdim=True)),
        ("relu", lambda x: x * (x > 0)),
        ({"type": "relu", "ceiling": 0.5}, lambda x: (x * (x > 0)).minimum(torch.tensor(0.5))),
        ({"type": "relu", "leak": 0.1}, lambda x: torch.where(x > 0, x, 0.1 * x)),
        ("tanh", lambda x: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp())),
        ("sigmoid", lambda x: 1 / (1 + (-x).exp())),
        ("none", lambda x: x),
    ],
)
def test_activations(options, expected):
    layer = word("activation", options, Frames(), DIM)
    torch.testing.assert_close(layer(Signal(frames(), LENGTHS)).values, expected(frames()))


@pytest.mark.parametrize("axis", [-1, 1])
def test_batch_normalisation_of_an_axis_ignores_padding(axis):
    layer = word("batch_normalization", {"axis": axis, "momentum": 0.75}, Frames(), 2, 3).train()
    batch = frames().view(3, 12, 2, 3)
    found = layer(Signal(batch, LENGTHS)).values
    own = torch.cat([batch[at, :length] for at, length in enumerate(LENGTHS.tolist())])  # (frames, 2, 3)
    over = [0, 1] if axis == -1 else [0, 2]
    mean, variance = own.mean(over, keepdim=True), own.var(over, unbiased=False, keepdim=True)
    expected = (batch - mean) / (variance + 1e-5).sqrt()
    for at, length in enumerate(LENGTHS.tolist()):
        torch.testing.assert_close(found[at, :length], expected[at, :length], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.norm.norm.running_mean, 0.25 * mean.flatten())


def test_batch_normalisation_within_parallel_ignores_padding():
    network = made({"parallel": {"apply": ["batch_normalization"]}}).train()
    other = made("batch_normalization").train()
    batch = frames()
    loud = batch.clone()
    loud[0, 9:] = 1e3
    found, expected = network(loud, LENGTHS).values, other(batch, LENGTHS).values
    for at, length in enumerate(LENGTHS.tolist()):
        torch.testing.assert_close(found[at, :length], expected[at, :length])


def test_dropout_drops_values_or_whole_channels():
    torch.manual_seed(0)
    ones = Signal(torch.ones(3, 12, 200), LENGTHS)
    each = word("dropout", 0.25, Frames(), 200)
    assert each(ones).values.eq(1).all()  # out of training
    each, whole = (
        word("dropout", {"fraction": 0.25, "independent": value}, Frames(), 200).train() for value in (True, False)
    )
    for layer, apart in ((each, True), (whole, False)):
        found = layer(ones).values
        assert found.unique().tolist() == pytest.approx([0, 4 / 3])
        assert abs((found == 0).float().mean() - 0.25) < 0.05
        assert bool((found != found[:, :1]).any()) == apart


def test_pooling():
    batch = frames()
    for kind, function in (("max", nn.functional.max_pool1d), ("average", nn.functional.avg_pool1d)):
        network = made({"pool": {"size": 3, "strides": 2, "type": kind}})
        for at, found in enumerate(alone(network, batch)):
            given = batch[at : at + 1, : LENGTHS[at]].transpose(1, 2)
            torch.testing.assert_close(found, function(given, 3, 2)[0].t())
    same = made({"pool": {"size": 3, "type": "average", "border": "same"}})
    found = same(batch, LENGTHS).values
    torch.testing.assert_close(found[2, 3], batch[2, 2:4].mean(dim=0))  # the last frame: two are the utterance's own
    largest = made({"pool": {"size": 3, "border": "same"}})(-batch.abs(), LENGTHS).values
    torch.testing.assert_close(largest[2, 3], (-batch.abs())[2, 2:4].amax(dim=0))  # and not the 0 beyond
    image = word("pool", {"size": [2, 2], "strides": [1, 2]}, Frames(), 4, 3)
    values = torch.randn(3, 12, 4, 3)
    expected = nn.functional.max_pool2d(values.permute(0, 3, 1, 2), 2, (1, 2)).permute(0, 2, 3, 1)
    torch.testing.assert_close(image(Signal(values, torch.tensor([12, 12, 12]))).values, expected)
    assert word("pool", 2, Frames(), DIM).size == (2,)


def test_axes():
    batch, signal = frames(), Signal(frames(), LENGTHS)
    assert str(word("expand", 0, Frames(), DIM).shape) == "(1, frames, 6)"
    assert word("expand", {"dimension": -1}, Frames(), DIM)(signal).values.shape == (3, 12, 6, 1)
    squeezed = word("squeeze", -1, Frames(), DIM, 1)
    torch.testing.assert_close(squeezed(Signal(batch[..., None], LENGTHS)).values, batch)
    assert str(squeezed.shape) == "(frames, 6)"
    turned = word("transpose", [1, 0], Frames(), DIM)
    torch.testing.assert_close(turned(signal).values, batch.transpose(1, 2))
    assert str(turned.shape) == "(6, frames)"
    assert turned.shape.time == 1
    both = word("transpose", {"axes": [0, 2, 1], "include_batch": True}, Frames(), DIM)
    torch.testing.assert_close(both(signal).values, batch.transpose(1, 2))
    flat = word("flatten", None, 12, DIM)
    torch.testing.assert_close(flat(Signal(batch)).values, batch.flatten(1))
    repeated = word("repeat", 5, DIM)(Signal(batch[:, 0])).values
    torch.testing.assert_close(repeated, torch.stack([batch[:, 0]] * 5, dim=1))


def test_an_embedding_gives_each_label_its_vector():
    network = made({"squeeze": -1}, {"embedding": {"vocab_size": 4, "size": 3}}, dim=1)
    labels = torch.randint(0, 4, (3, 12, 1)).float()
    found = network(labels, LENGTHS).values
    vectors = parameters(network)["layers.1.vectors.weight"]
    torch.testing.assert_close(found[1], vectors[labels[1, :, 0].long()])
    with pytest.raises(ValueError, match="labels of 0 to 7; the embedding has 0 to 3"):
        network(torch.tensor([[[0.0], [7.0]]]), torch.tensor([2]))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("average", lambda a, b: (a + b) / 2),
        ("multiply", lambda a, b: a * b),
        ("add", lambda a, b: a + b),
        ("concat", lambda a, b: torch.cat([a, b], dim=2)),
    ],
)
def test_merging(mode, expected):
    network = made(
        {"dense": 4, "name": "a"}, {"dense": 4, "inputs": ["a"], "name": "b"}, {"merge": mode, "inputs": ["a", "b"]}
    )
    first = network.layers["0"](Signal(frames(), LENGTHS)).values
    second = network.layers["1"](Signal(first, LENGTHS)).values
    torch.testing.assert_close(network(frames(), LENGTHS).values, expected(first, second))


def test_concatenation_along_another_axis():
    network = made(
        {"expand": 1, "name": "a"},
        {"merge": {"mode": "concat", "axis": 1}, "inputs": ["a", "a"]},
        {"parallel": {"apply": ["flatten"]}},
    )
    torch.testing.assert_close(network(frames(), LENGTHS).values, torch.cat([frames(), frames()], dim=2))


def test_reuse_has_the_weights_of_its_target_once():
    network = made({"dense": DIM, "name": "a"}, {"activation": "tanh"}, {"reuse": "a"})
    assert list(parameters(network)) == ["layers.0.layers.0.weight", "layers.0.layers.0.bias"]
    layer = network.layers["0"].layers[0]
    torch.testing.assert_close(network(frames(), LENGTHS).values, layer(layer(frames()).tanh()))


def test_parallel_over_a_fixed_axis_keeps_the_frames():
    """The same recurrent layer for each of two bands."""
    apply = [{"recurrent": {"size": 4}}]
    network = made(
        {"expand": 0},
        {"parallel": {"apply": apply}},
        {"transpose": [1, 0, 2]},
        {"parallel": {"apply": ["flatten"]}},
    )
    plain = made({"recurrent": {"size": 4}})
    plain.load_state_dict(
        {name.replace("layers.1.layers.0", "layers.0"): each for name, each in network.state_dict().items()}
    )
    for at, length in enumerate(LENGTHS.tolist()):
        found, expected = (each(frames(), LENGTHS).values[at, :length] for each in (network, plain))
        torch.testing.assert_close(found, expected)


def test_an_input_of_another_shape_is_refused():
    made({"input": {"shape": [None, DIM]}, "name": "utterance"}, {"dense": 3})
    with pytest.raises(ConfigError, match=r"layers\[0\].input: the data is \(frames, 6\); the description says"):
        made({"input": {"shape": [None, 80]}}, {"dense": 3})


def test_what_is_frozen_is_not_trained():
    network = made({"dense": 4, "freeze": True}, {"batch_normalization": None, "freeze": True}, {"dense": 3}).train()
    before = {name: each.clone() for name, each in network.named_buffers()}
    network(frames(), LENGTHS).values.sum().backward()
    assert [name for name, each in network.named_parameters() if each.grad is not None] == [
        "layers.2.layers.0.weight",
        "layers.2.layers.0.bias",
    ]
    assert all(torch.equal(each, before[name]) for name, each in network.named_buffers())
