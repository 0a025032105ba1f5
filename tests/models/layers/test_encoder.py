"""The encoder ``layers``: the contract, its twin among the other encoders, and training through the configuration."""

from __future__ import annotations

import pytest
import torch

from dstoolkit.errors import ConfigError
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


@parametrize_with_checks([Subject(Layers, LayersConfig(each)) for each in (SPEECH, IMAGE, BANDS)])
def test_the_contract(check):
    check()


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
