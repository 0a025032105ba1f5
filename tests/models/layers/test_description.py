"""Descriptions are read whole, and every fault is named with its place and the nearest word."""

from __future__ import annotations

import pytest
import torch

from dstoolkit.errors import ConfigError, Faults
from dstoolkit.models.layers.container import Described
from dstoolkit.models.layers.description import describe
from dstoolkit.models.layers.network import Network


def test_an_entry_has_a_word_options_and_what_stands_beside():
    found = describe(
        [
            {"convolution": {"kernels": 4, "size": [3]}, "name": "first", "tag": "a", "oldest": ["b", "c"]},
            "batch_normalization",
            {"flatten": None, "when": False},
            {"dense": 3, "inputs": "first", "sink": True, "freeze": True},
        ]
    )
    assert [each.word for each in found] == ["convolution", "batch_normalization", "dense"]
    assert (found[0].name, found[0].tags, found[0].oldest) == ("first", ("a",), ("b", "c"))
    assert found[0].options.size == (3,)
    assert (found[2].inputs, found[2].sink, found[2].freeze, found[2].where) == (("first",), True, True, "layers[3]")
    assert isinstance(found[0], Described)


def test_for_repeats_its_entries():
    found = describe([{"for": {"range": 3, "iterate": [{"dense": 3}, {"activation": "relu"}]}}, {"dense": 2}])
    assert [each.word for each in found] == ["dense", "activation"] * 3 + ["dense"]
    assert describe([{"for": {"range": 0, "iterate": [{"dense": 3}]}}]) == ()


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ([{"convolutoin": 3}], "layers[0].convolutoin: no such layer; did you mean 'convolution'?"),
        (
            [{"dense": 3}, {"convolution": {"kernal": 3}}],
            "layers[1].convolution.kernal: no such option; did you mean 'kernels'?",
        ),
        ([{"recurrent": {"size": "many"}}], "layers[0].recurrent.size: 'many'; expected a whole number"),
        (
            [{"recurrent": {"size": 3, "type": "gruu"}}],
            "layers[0].recurrent.type: 'gruu'; expected one of 'lstm', 'gru', 'sru'; did you mean 'gru'?",
        ),
        ([{"dense": 3, "nam": "x"}], "layers[0].nam: no such layer; did you mean 'name'?"),
        ([{"dense": 3, "flatten": None}], "layers[0]: 'dense' and 'flatten'; expected one, such as 'dense: 29'"),
        ([{"name": "x"}], "layers[0]: no layer; expected one, such as 'dense: 29'"),
        ([7], "layers[0]: 7; expected a layer, such as 'dense: 29'"),
        (
            [{"parallel": {"apply": [{"dens": 3}]}}],
            "layers[0].parallel.apply[0].dens: no such layer; did you mean 'dense'?",
        ),
        ([{"parallel": {}}], "layers[0].parallel: no apply; expected a list of layers"),
        (
            [{"for": {"range": 2, "iterate": [{"dens": 3}]}}],
            "layers[0].for.iterate[0].dens: no such layer; did you mean 'dense'?",
        ),
        ("dense", "layers: 'dense'; expected a list of layers"),
        ([{"convolution": {"kernels": 3}}], "layers[0].convolution: no size; expected a kernel's, such as 'size: 11'"),
        ([{"dense": None}], "layers[0].dense: no size; expected a number of units, or a list of them"),
        (
            [{"activation": {"type": "tanh", "leak": 0.1}}],
            "layers[0].activation: leak with type 'tanh'; only 'relu' has one",
        ),
        (
            [{"recurrent": {"size": 3, "merge": "add"}}],
            "layers[0].recurrent: merge is 'add'; it is for bidirectional: true",
        ),
        ([{"dropout": 1.5}], "layers[0].dropout: fraction is 1.5; expected 0 to below 1"),
        (
            [{"for": {"range": 10**9, "iterate": ["flatten"]}}],
            "layers[0].for: range is 1000000000; expected 0 to 10000",
        ),
    ],
)
def test_faults_are_named(layers, said):
    with pytest.raises(ConfigError) as raised:
        describe(layers)
    assert str(raised.value) == said


def test_all_faults_are_named_at_once():
    with pytest.raises(Faults) as raised:
        describe([{"dens": 3}, {"dropout": 2}, {"repeat": 0}])
    assert [each.where for each in raised.value.faults] == ["layers[0].dens", "layers[1].dropout", "layers[2].repeat"]


def test_layers_without_end_are_refused():
    nested = [{"dense": 3}]
    for _ in range(5):
        nested = [{"for": {"range": 100, "iterate": nested}}]
    with pytest.raises(ConfigError, match="more than 10000 layers"):
        describe(nested)


BOTH = {"merge": "add", "inputs": ["a", "b"]}


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ([{"dense": 3, "inputs": "y"}], "layers[0].inputs: no earlier layer is called 'y'; it is the first"),
        (
            [{"dense": 3, "name": "first"}, {"dense": 3, "inputs": "fist"}],
            "layers[1].inputs: no earlier layer is called 'fist'; did you mean 'first'?",
        ),
        (
            [{"dense": 3, "name": "x"}, {"dense": 3, "name": "x"}],
            "layers[1].name: 'x', as layers[0] is called; expected another",
        ),
        (
            [{"dense": 3, "name": "x"}, {"reuse": "y"}],
            "layers[1].reuse: no earlier layer is called 'y'; expected one of: x",
        ),
        (
            [{"dense": 3, "sink": True, "name": "a"}, {"dense": 3, "sink": True, "name": "b"}],
            "output: the layers have the outputs 'a', 'b'; expected the name of one",
        ),
        (
            [{"dense": 3, "name": "a"}, {"dense": 3}, {"dense": 4, "inputs": "a"}],
            "layers[1].dense: nothing takes its output; remove it, or merge it",
        ),
        ([{"merge": "add"}], "layers[0].merge: one input; expected several, named by 'inputs: [...]' beside it"),
        (
            [{"dense": 3, "name": "a"}, {"dense": 4, "name": "b"}, {"merge": "add", "inputs": ["a", "b"]}],
            "layers[2].merge: inputs of (frames, 3), (frames, 4); expected one shape and one count of frames",
        ),
        (
            [
                {"dense": 3, "name": "a"},
                {"pool": {"size": 3, "strides": 2}, "name": "b"},
                {"merge": "add", "inputs": ["a", "b"]},
            ],
            "layers[2].merge: inputs of (frames, 3), (frames, 3); expected one shape and one count of frames",
        ),
        ([{"expand": -1}], "layers[0]: the output is (frames, 6, 1); expected (frames, values)"),
        ([{"transpose": [1, 0]}], "layers[0]: the output is (6, frames); expected (frames, values)"),
        (
            [{"convolution": {"kernels": 3, "size": [3, 3]}}],
            "layers[0].convolution: size has 2 numbers; expected 1, as the input is (frames, 6)",
        ),
        ([{"expand": 3}], "layers[0].expand: axis 3 of (frames, 6, 1), which has 3 axes"),
        ([{"squeeze": -1}], "layers[0].squeeze: axis -1 of (frames, 6); expected one of size 1"),
        ([{"repeat": 2}], "layers[0].repeat: repeats (frames, 6); expected one axis"),
        (
            [{"dense": {"size": 3, "highway": True}}],
            "layers[0].dense: highway from 6 to 3 values; expected as many units as values come in",
        ),
        (
            [{"parallel": {"apply": [{"dense": 3, "inputs": "x"}]}}],
            "layers[0].parallel.apply[0]: has inputs or is an output; expected neither within 'parallel'",
        ),
        (
            [{"transpose": {"axes": [1, 0, 2], "include_batch": True}}],
            "layers[0].transpose: axes are [1, 0, 2]; expected the batch's first, as utterances stay apart",
        ),
        ([], "layers: no layers"),
    ],
)
def test_what_does_not_fit_together_is_named(layers, said):
    with pytest.raises(ConfigError) as raised:
        Network(describe(layers), 6)
    assert str(raised.value) == said


def test_flattening_frames_is_refused_with_what_to_do():
    with pytest.raises(ConfigError, match=r"layers\[0\].flatten: flattening \(frames, 6\) would join .*parallel"):
        Network(describe(["flatten"]), 6)


def test_names_go_before_tags_and_the_latest_tag_and_the_oldest_count():
    layers = [
        {"dense": 3, "tag": "t", "oldest": "o"},
        {"dense": 4, "tag": "t", "oldest": "o"},
        {"dense": 5, "name": "five"},
        {"merge": "concat", "inputs": ["t", "o", "five"]},
    ]
    network = Network(describe(layers), 6)
    assert network.sources[3] == (1, 0, 2)
    assert network.shape.sizes[-1] == 4 + 3 + 5


def test_the_chosen_output_has_its_layers_alone():
    layers = [
        {"dense": 3, "name": "a", "sink": True},
        {"dense": 4, "name": "b"},
        {"output": "c"},
    ]
    frames, lengths = torch.randn(1, 5, 6), torch.tensor([5])
    for name, dim, count in (("a", 3, 1), ("c", 4, 3)):
        network = Network(describe(layers), 6, name)
        assert network(frames, lengths).values.shape == (1, 5, dim)
        assert len(network.layers) == count
    with pytest.raises(ConfigError, match=r"output: no output is called 'd'; expected one of: a, c"):
        Network(describe(layers), 6, "d")


def test_a_softmax_at_the_end_is_left_out_for_logits():
    network = Network(describe([{"dense": 4}, {"activation": "softmax"}, {"output": "asr"}]), 6)
    assert network.ends_in_logits
    assert not Network(describe([{"dense": 4}, {"activation": "relu"}]), 6).ends_in_logits
    assert not Network(describe([{"activation": "softmax"}, {"dense": 4}]), 6).ends_in_logits
    frames = torch.randn(1, 5, 6)
    dense = network.layers["0"].layers[0]
    torch.testing.assert_close(network(frames, torch.tensor([5])).values, dense(frames))
