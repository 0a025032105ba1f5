"""Two-dimensional convolutions: the paper's shapes, padding that changes nothing, and one block by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dstoolkit.models.deepspeech2 import Block, DeepSpeech2, DeepSpeech2Config
from dstoolkit.models.masking import frame_mask

SMALL = {"size": 6, "layers": 2, "dropout": 0.0}


@pytest.mark.parametrize("channels", [(4,), (4, 3), (4, 3, 2)])
@pytest.mark.parametrize("training", [True, False])
def test_padding_changes_nothing(channels, training):
    torch.manual_seed(0)
    config = DeepSpeech2Config(**SMALL, channels=channels)
    lengths = torch.tensor([30, 17, 0, 21])
    frames = torch.randn(4, 30, 13, dtype=torch.float64)
    noisy = nn.functional.pad(frames, (0, 0, 0, 9)).masked_fill(~frame_mask(lengths, 39)[:, :, None], 1e6)
    model = DeepSpeech2(config, 13).double().train(training)
    plain, plain_lengths = model(frames, lengths)
    output, output_lengths = model(noisy, lengths)
    assert output_lengths.tolist() == plain_lengths.tolist() == [15, 9, 0, 11]
    for at, length in enumerate(output_lengths.tolist()):
        torch.testing.assert_close(output[at, :length], plain[at, :length])
    if not training:  # batch statistics are of the whole batch
        alone = model(frames[1:2, :17], lengths[1:2])[0]
        torch.testing.assert_close(alone[0, :9], output[1, :9])


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_lengths_agree_with_the_output(stride):
    model = DeepSpeech2(DeepSpeech2Config(**SMALL, channels=(2, 2), stride=stride), 20).eval()
    for length in range(1, 20):
        output, lengths = model(torch.zeros(1, length, 20), torch.tensor([length]))
        assert output.shape[1] == lengths[0] == model.output_lengths(torch.tensor([length]))[0] == -(-length // stride)


def test_the_papers_three_layers_have_its_sizes():
    """161 values of a spectrum, halved three times, 96 channels."""
    model = DeepSpeech2(DeepSpeech2Config(**SMALL, channels=(32, 32, 96)), 161)
    assert model.recurrent[0].directions[0].input_size == 21 * 96
    assert [tuple(block.convolution.weight.shape[1:]) for block in model.blocks] == [
        (1, 11, 41),
        (32, 11, 21),
        (32, 11, 21),
    ]


def test_a_block_is_convolution_batch_norm_and_clipped_relu():
    torch.manual_seed(0)
    block = Block(1, 3, 41, 2).double().train()
    image = 40 * torch.randn(2, 8, 10, 1, dtype=torch.float64)
    convolved = block.convolution(image.permute(0, 3, 1, 2))
    expected = nn.BatchNorm2d(3).double().train()(convolved).clamp(0, 20)
    torch.testing.assert_close(block(image, torch.tensor([4, 4])), expected.permute(0, 2, 3, 1))


@pytest.mark.parametrize("channels", [(), (1, 2, 3, 4), (8, 0)])
def test_other_numbers_of_convolutions_are_refused(channels):
    with pytest.raises(ValueError, match="expected one to three numbers"):
        DeepSpeech2Config(channels=channels)
