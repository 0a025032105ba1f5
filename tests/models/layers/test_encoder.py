"""The encoder ``layers``: the contract, its twin among the other encoders, and training through the configuration."""

from __future__ import annotations

import re

import pytest
import torch

from dstoolkit.errors import ConfigError, DstoolkitError
from dstoolkit.interfaces import Outlet
from dstoolkit.models.ctc_model import CTCModel
from dstoolkit.models.deepspeech import DeepSpeech, DeepSpeechConfig
from dstoolkit.models.layers.encoder import Layers, LayersConfig
from dstoolkit.pipeline.experiment import from_plain
from dstoolkit.pipeline.recognition import build_model
from dstoolkit.testing import Subject, parametrize_with_checks

SPEECH = (  # in the form of Kur's speech example
    {"input": "utterance"},
    {"convolution": {"kernels": 20, "size": 11, "strides": 2, "border": "valid"}},
    {"activation": "relu"},
    "batch_normalization",
    {"for": {"range": 3, "iterate": [{"recurrent": {"size": 20, "sequence": True}}, "batch_normalization"]}},
    {"parallel": {"apply": [{"dense": 29}]}},
    {"activation": "softmax"},
    {"output": "asr"},
)
IMAGE = (
    {"expand": -1},
    {"convolution": {"kernels": 4, "size": [5, 7], "strides": [2, 3], "separable": True}},
    {"batch_normalization": {"axis": -1}},
    {"activation": {"type": "relu", "ceiling": 20.0}},
    {"pool": {"size": [2, 2], "strides": [1, 2], "type": "average", "border": "same"}},
    {"parallel": {"apply": ["flatten", {"dense": {"size": [24, 16]}}, "batch_normalization"]}},
    {"recurrent": {"size": 12, "type": "sru", "bidirectional": True, "merge": "concat"}, "name": "a"},
    {"recurrent": {"size": 12, "type": "lstm", "outer_activation": "relu"}, "inputs": "a", "name": "b"},
    {"merge": "add", "inputs": ["a", "b"]},
    {"dropout": {"fraction": 0.1, "independent": False}},
    {"dense": {"size": 12, "highway": True}},
)
BANDS = (
    {"expand": 0},
    {"batch_normalization": {"axis": 0}},
    {"transpose": [1, 0, 2]},
    {"pool": {"size": [3, 1], "strides": [3, 1]}},
    {"squeeze": 1},
    {"recurrent": {"size": 8, "bidirectional": True, "merge": "multiply"}, "name": "rnn"},
    {"dropout": 0.2},
    {"dense": 40},
    {"activation": {"type": "relu", "leak": 0.1}},
    {"reuse": "rnn"},
)
TWO = (  # an early output of more frames and other values, and a layer that takes a softmax
    {"convolution": {"kernels": 12, "size": 5, "strides": 2}},
    "batch_normalization",
    {"dense": 9, "name": "letters"},
    {"activation": "softmax", "name": "early", "sink": True},
    {"merge": "concat", "inputs": ["letters", "early"]},
    {"convolution": {"kernels": 16, "size": 3, "strides": 2, "border": "valid"}},
    {"recurrent": {"size": 8}},
    {"output": "text"},
)
LOSSES = {"text": 1.0, "early": 0.25}


@parametrize_with_checks(
    [Subject(Layers, LayersConfig(each)) for each in (SPEECH, IMAGE, BANDS)]
    + [Subject(Layers, LayersConfig(TWO, losses=LOSSES))]
)
def test_the_contract(check):
    check()


def test_several_outputs_are_those_of_networks_with_one():
    """Each output by itself, from a network of its layers alone with the same weights, is the oracle."""
    torch.manual_seed(0)
    both = CTCModel(Layers(LayersConfig(TWO, losses=LOSSES), 10), 7).train()
    frames, lengths = torch.randn(3, 40, 10), torch.tensor([40, 31, 17])
    logits, counts = both(frames, lengths)
    assert [each.tolist() for each in counts] == [[9, 7, 4], [20, 16, 9]]
    assert [each.shape[2] for each in logits] == [7, 7]
    for at, output in enumerate(("text", "early")):
        alone = Layers(LayersConfig(TWO, output), 10).train()
        alone.load_state_dict({name: both.encoder.state_dict()[name] for name in alone.state_dict()})
        values, lengths_alone = alone(frames, lengths)
        assert lengths_alone.tolist() == counts[at].tolist()
        expected = both.dense(values) if output == "text" else values[..., :7]
        for row, count in enumerate(counts[at].tolist()):
            torch.testing.assert_close(logits[at][row, :count], expected[row, :count])
    assert (both.spare, both.spares) == (0, {"the output 'early'": 2})
    assert not list(both.heads.parameters())
    decoded, count = both.eval()(frames, lengths)
    assert count.tolist() == counts[0].tolist()
    torch.testing.assert_close(decoded, both.every(frames, lengths)[0][0])


def test_outputs_that_end_in_no_softmax_have_a_dense_layer_each():
    layers = ({"dense": 6, "name": "a", "sink": True}, {"dense": 5, "name": "b", "sink": True})
    model = CTCModel(Layers(LayersConfig(layers, "b", {"a": 1, "b": 2}), 4), 3)
    assert [each.name for each in model.outlets] == ["b", "a"]
    assert (model.dense.in_features, model.heads[0].in_features) == (5, 6)
    frames, lengths = torch.randn(2, 9, 4), torch.tensor([9, 4])
    logits, _ = model.train()(frames, lengths)
    values, _ = model.encoder.every(frames, lengths)
    torch.testing.assert_close(logits[1], model.heads[0](values[1]))


def test_the_last_layer_may_be_called_by_its_name():
    layers = ({"dense": 6}, {"activation": "softmax", "name": "asr"})
    encoder = Layers(LayersConfig(layers, losses={"asr": 2.0}), 4)
    assert encoder.outlets == (Outlet("asr", 6, True, 2.0),)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"losses": {"text": 0, "early": 1}}, "losses.text is 0; expected a weight above 0; leave out what is not"),
        ({"losses": {"early": 1}, "output": "text"}, "losses has no 'text', which is decoded; expected its weight too"),
        ({"losses": {"text": 1, "erly": 1}}, "losses.erly: no output is called 'erly'; did you mean 'early'?"),
    ],
)
def test_losses_that_are_refused(options, told):
    with pytest.raises(DstoolkitError, match=re.escape(told)):
        built(options, 7)


def test_every_output_has_enough_values():
    with pytest.raises(ConfigError, match="the output 'early' ends in 9 values; the vocabulary has 12"):
        built({"losses": LOSSES}, 12)


def built(options, vocab):
    return build_model(from_plain({"encoder": {"name": "layers", "layers": list(TWO), **options}}, "x.yaml"), 10, vocab)


def test_deepspeech_described_is_deepspeech():
    """The same weights, the same output: an encoder written by hand is the oracle."""
    torch.manual_seed(0)
    twin = DeepSpeech(DeepSpeechConfig(kernels=12, stride=3, size=8, layers=2, rnn="gru", dropout=0.0), 10).train()
    layers = [
        {"convolution": {"kernels": 12, "size": 11, "strides": 3}},
        {"activation": "relu"},
        "batch_normalization",
        {"recurrent": {"size": 16, "type": "gru", "bidirectional": True, "merge": "concat"}},
        "batch_normalization",
        {"recurrent": {"size": 16, "type": "gru", "bidirectional": True, "merge": "concat"}},
        "batch_normalization",
    ]
    encoder = Layers(LayersConfig(tuple(layers)), 10).train()
    names = {
        "convolution.": "0.kernels.0.",
        "norm.": "2.norm.",
        "recurrent.0.": "3.",
        "norms.0.": "4.norm.",
        "recurrent.1.": "5.",
        "norms.1.": "6.norm.",
    }
    weights = {}
    for name, value in twin.state_dict().items():
        old = next(each for each in names if name.startswith(each))
        weights[f"network.layers.{names[old]}{name.removeprefix(old)}"] = value
    encoder.load_state_dict(weights)
    frames, lengths = torch.randn(3, 40, 10), torch.tensor([40, 31, 17])
    (found, counts), (expected, expected_counts) = encoder(frames, lengths), twin(frames, lengths)
    assert counts.tolist() == expected_counts.tolist()
    for at, count in enumerate(counts.tolist()):
        torch.testing.assert_close(found[at, :count], expected[at, :count])


def test_a_network_that_ends_in_softmax_is_the_whole_network():
    encoder = Layers(LayersConfig(SPEECH), 40)
    assert encoder.ends_in_logits
    model = CTCModel(encoder, 29)
    assert not list(model.dense.parameters())
    frames, lengths = torch.randn(2, 60, 40), torch.tensor([60, 41])
    logits, counts = model(frames, lengths)
    assert counts.tolist() == [25, 16]  # (60 - 11) // 2 + 1, without a margin
    torch.testing.assert_close(logits, encoder(frames, lengths)[0])
    smaller = CTCModel(encoder, 20)
    assert (model.spare, smaller.spare) == (0, 9)
    torch.testing.assert_close(smaller(frames, lengths)[0], logits[..., :20])
    with pytest.raises(ValueError, match="ends in 29 values; the vocabulary has 30 tokens"):
        CTCModel(encoder, 30)


def test_faults_have_their_place_in_the_file():
    def experiment(*layers):
        return from_plain({"encoder": {"name": "layers", "layers": list(layers)}}, "conf/x.yaml")

    with pytest.raises(ConfigError) as raised:
        build_model(experiment({"dense": 3}, {"convolution": {"kernal": 3}}), 40, 10)
    place = "conf/x.yaml: encoder.layers[1].convolution.kernal"
    assert str(raised.value) == f"{place}: no such option; did you mean 'kernels'?"
    with pytest.raises(ConfigError) as raised:
        build_model(experiment({"dense": 3}, {"squeeze": -1}), 40, 10)
    assert str(raised.value).startswith("conf/x.yaml: encoder.layers[1].squeeze: axis -1 of (frames, 3); expected one")
    with pytest.raises(ConfigError, match=r"conf/x.yaml: encoder: the network ends in 4 values; the vocabulary has 10"):
        build_model(experiment({"dense": 4}, {"activation": "softmax"}), 40, 10)
