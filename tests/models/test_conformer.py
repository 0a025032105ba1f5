"""The conformer: rotations against complex numbers, attention against its formula, and padding that never leaks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dstoolkit.models.conformer import Attention, Conformer, ConformerConfig, Convolution
from dstoolkit.models.masking import frame_mask
from dstoolkit.models.rotary import rotated, turns

SMALL = {"size": 16, "layers": 2, "channels": 4, "kernel_size": 5, "dropout": 0.0}
DOUBLE = torch.float64


def test_rotation_is_that_of_complex_numbers():
    heads = torch.randn(2, 7, 10, dtype=DOUBLE)
    rates = 10000.0 ** (-2 * torch.arange(5, dtype=DOUBLE) / 10)
    angles = torch.arange(7, dtype=DOUBLE)[:, None] * rates
    expected = torch.complex(*heads.chunk(2, dim=2)) * torch.polar(torch.ones_like(angles), angles)
    found = rotated(heads, turns(7, 10, heads.device))
    torch.testing.assert_close(found, torch.cat([expected.real, expected.imag], 2), rtol=1e-5, atol=1e-6)


def test_a_product_depends_on_the_distance_alone():
    query, key = torch.randn(2, 1, 6, dtype=DOUBLE).expand(-1, 30, -1)
    products = rotated(query, turns(30, 6, query.device)) @ rotated(key, turns(30, 6, key.device)).t()
    for distance in (-9, 0, 4):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(products.diagonal(0)[:5], products.diagonal(4)[:5])


def test_attention_is_the_softmax_of_turned_products_over_own_frames():
    torch.manual_seed(0)
    layer = Attention(ConformerConfig(**SMALL)).double()
    hidden, lengths, turn = torch.randn(2, 6, 16, dtype=DOUBLE), torch.tensor([6, 4]), turns(6, 4, torch.device("cpu"))
    found = layer(hidden, frame_mask(lengths, 6), turn)
    for at, length in enumerate(lengths.tolist()):
        query, key, value = layer.project(layer.norm(hidden[at])).chunk(3, dim=1)
        heads = []
        for head in range(4):
            own = slice(4 * head, 4 * head + 4)
            scores = rotated(query[:, own], turn) @ rotated(key[:, own], turn)[:length].t() / 2  # sqrt(4)
            heads.append(scores.softmax(1) @ value[:length, own])
        torch.testing.assert_close(found[at], layer.dense(torch.cat(heads, 1)))


def test_the_convolution_hears_its_kernel_and_no_padding():
    torch.manual_seed(0)
    layer = Convolution(ConformerConfig(**SMALL)).double().eval()
    hidden = torch.randn(1, 12, 16, dtype=DOUBLE).requires_grad_()
    layer(hidden, torch.tensor([8]))[0, 6].sum().backward()
    assert hidden.grad[0].abs().sum(1).nonzero()[:, 0].tolist() == [4, 5, 6, 7]


@pytest.mark.parametrize("stride", [2, 4, 8])
@pytest.mark.parametrize("training", [True, False])
def test_padding_changes_nothing(stride, training):
    torch.manual_seed(0)
    model = Conformer(ConformerConfig(**SMALL, stride=stride), 13).double().train(training)
    lengths = torch.tensor([30, 17, 0, 21])
    frames = torch.randn(4, 30, 13, dtype=DOUBLE)
    noisy = nn.functional.pad(frames, (0, 0, 0, 9)).masked_fill(~frame_mask(lengths, 39)[:, :, None], float("nan"))
    plain, plain_lengths = model(frames, lengths)
    output, output_lengths = model(noisy, lengths)
    expected = [-(-length // stride) for length in (30, 17, 0, 21)]
    assert output_lengths.tolist() == plain_lengths.tolist() == model.output_lengths(lengths).tolist() == expected
    assert output.isfinite().all()
    for at, length in enumerate(expected):
        torch.testing.assert_close(output[at, :length], plain[at, :length])
    if not training:  # batch statistics are of the whole batch
        alone = model(frames[1:2, :17], lengths[1:2])[0]
        torch.testing.assert_close(alone[0, : expected[1]], output[1, : expected[1]])


def test_an_empty_utterance_gives_no_gradient_that_is_not_a_number():
    model = Conformer(ConformerConfig(**SMALL), 13).train()
    output, lengths = model(torch.randn(2, 20, 13), torch.tensor([20, 0]))
    (output * frame_mask(lengths, output.shape[1])[:, :, None]).square().sum().backward()
    assert all(each.grad.isfinite().all() for each in model.parameters())


def test_inner_blocks_are_given_in_training_only():
    torch.manual_seed(0)
    model = Conformer(ConformerConfig(**SMALL, intermediate=(1,)), 13)
    frames, lengths = torch.randn(2, 20, 13), torch.tensor([20, 9])
    last, inner = model.train()(frames, lengths)[0]
    assert last.shape == inner.shape == (2, 5, 16)
    assert not torch.equal(last, inner)
    assert model.eval()(frames, lengths)[0].shape == (2, 5, 16)


def test_a_skipped_block_only_normalises_and_the_mean_is_kept():
    torch.manual_seed(0)
    block = Conformer(ConformerConfig(**SMALL, layer_drop=0.4), 13).train().blocks[1]
    scales = block.scale(torch.zeros(4000, 1, 1))
    torch.testing.assert_close(scales.unique(), torch.tensor([0.0, 1 / 0.6]))
    assert float(scales.mean()) == pytest.approx(1.0, abs=0.05)
    hidden, lengths = torch.randn(40, 5, 16), torch.full((40,), 5)
    output = block(hidden, lengths, frame_mask(lengths, 5), turns(5, 4, hidden.device))
    skipped = torch.isclose(output, block.norm(hidden), atol=1e-5).flatten(1).all(1)
    assert 0 < int(skipped.sum()) < 40


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 20}, "size is 20; expected a multiple of 8, twice the heads"),
        ({"kernel_size": 8}, "kernel_size is 8; expected an odd number"),
        ({"layer_drop": 1.0}, "layer_drop is 1.0; expected 0 to below 1"),
        ({"intermediate": (8,)}, "intermediate layer 8; expected 1 to 7"),
        ({"heads": 0}, "heads is 0; expected 1 or more"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        ConformerConfig(**options)
