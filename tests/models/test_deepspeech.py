"""The encoder's promises: padding changes nothing, lengths agree, and the layers are what the papers say."""

from __future__ import annotations

import pytest
import torch

from dstoolkit.models.deepspeech import DeepSpeech, DeepSpeechConfig
from dstoolkit.models.masking import SequenceDropout, frame_mask, zero_padding

SMALL = {"kernels": 12, "size": 8, "layers": 2}


@pytest.mark.parametrize("border", ["same", "valid"])
@pytest.mark.parametrize("rnn", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("reading", [{}, {"bidirectional": False}, {"bidirectional": False, "lookahead": 3}])
@pytest.mark.parametrize("training", [True, False])
def test_padding_changes_nothing(border, rnn, reading, training):
    torch.manual_seed(0)
    config = DeepSpeechConfig(**SMALL, border=border, rnn=rnn, **reading, dropout=0.0)
    model = DeepSpeech(config, 5).double().train(training)
    lengths = torch.tensor([30, 17, 21])
    frames = torch.randn(3, 30, 5, dtype=torch.float64)
    padded = torch.nn.functional.pad(frames, (0, 0, 0, 9), value=float("nan"))
    noisy = padded.masked_fill(~frame_mask(lengths, 39)[:, :, None], 1e6)
    plain, plain_lengths = model(zero_padding(frames, lengths), lengths)
    output, output_lengths = model(noisy, lengths)
    assert output_lengths.tolist() == plain_lengths.tolist() == model.output_lengths(lengths).tolist()
    for at, length in enumerate(output_lengths.tolist()):
        torch.testing.assert_close(output[at, :length], plain[at, :length])
        if not training:  # batch statistics are of the whole batch
            alone = model(frames[at : at + 1, : lengths[at]], lengths[at : at + 1])[0]
            torch.testing.assert_close(alone[0, :length], output[at, :length])


@pytest.mark.parametrize("border", ["same", "valid"])
@pytest.mark.parametrize(("kernel_size", "stride"), [(11, 4), (11, 2), (3, 1), (4, 3)])
def test_output_lengths_are_those_of_torch_convolution(border, kernel_size, stride):
    model = DeepSpeech(DeepSpeechConfig(**SMALL, kernel_size=kernel_size, stride=stride, border=border), 5).eval()
    for length in range(1, 40):
        output, lengths = model(torch.zeros(1, length, 5), torch.tensor([length]))
        assert lengths.tolist() == model.output_lengths(torch.tensor([length])).tolist()
        if border == "same":
            assert output.shape[1] == lengths[0] == -(-length // stride)
        else:
            assert lengths[0] == max(0, (length - kernel_size) // stride + 1)


def test_sequence_dropout_drops_whole_channels_and_keeps_the_mean():
    torch.manual_seed(0)
    output = SequenceDropout(0.25).train()(torch.ones(2000, 3, 4))
    assert (output == output[:, :1]).all()
    torch.testing.assert_close(output.unique(), torch.tensor([0.0, 1 / 0.75]))
    assert float(output.mean()) == pytest.approx(1.0, abs=0.02)


def test_config_refuses_sizes_below_one():
    with pytest.raises(ValueError, match="stride is 0; expected 1 or more"):
        DeepSpeechConfig(stride=0)
    with pytest.raises(ValueError, match="dropout is 1"):
        DeepSpeechConfig(dropout=1.0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lookahead": 5}, "lookahead is for bidirectional: false"),
        ({"lookahead": -1, "bidirectional": False}, "lookahead is -1; expected 0 or more"),
        ({"clip": 0.0, "rnn": "rnn"}, "clip is 0; expected more than 0"),
        ({"clip": 5.0}, "clip is 5 with rnn 'lstm'"),
        ({"intermediate": (3,)}, "intermediate layer 3; expected 1 to 2"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        DeepSpeechConfig(**options)


def test_a_default_checkpoint_has_the_names_it_always_had():
    names = set(DeepSpeech(DeepSpeechConfig(layers=1), 5).state_dict())
    norm = [f"norm.{name}" for name in torch.nn.BatchNorm1d(1).state_dict()]
    directions = [f"recurrent.0.directions.{at}.{name}" for at in (0, 1) for name in torch.nn.LSTM(1, 1).state_dict()]
    layers = [f"norms.0.{name}" for name in norm]
    assert names == {"convolution.weight", "convolution.bias", *(f"norm.{name}" for name in norm), *directions, *layers}


def test_inner_layers_are_given_in_training_only():
    torch.manual_seed(0)
    model = DeepSpeech(DeepSpeechConfig(**SMALL, dropout=0.0, intermediate=(1,)), 5)
    frames, lengths = torch.randn(2, 30, 5), torch.tensor([30, 20])
    outputs, _ = model.train()(frames, lengths)
    assert [each.shape for each in outputs] == [(2, 8, 16), (2, 8, 16)]
    assert not torch.equal(*outputs)
    assert model.eval()(frames, lengths)[0].shape == (2, 8, 16)
