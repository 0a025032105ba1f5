"""The layer to the vocabulary computes in float32, whatever the encoder computes in."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dstoolkit.interfaces import Outlet
from dstoolkit.models.ctc_model import CTCModel

DIM, VOCAB = 6, 4


class Encoder(nn.Module):
    """Linear, to one output, to that and an inner layer's, or to two ``outlets``."""

    output_dim = DIM

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.layer = kind, nn.Linear(DIM, DIM)
        self.outlets = [Outlet("last", DIM), Outlet("early", DIM)] if kind == "outlets" else []

    def forward(self, frames, lengths):
        found = self.layer(frames)
        return ([found, found] if self.kind == "inner" and self.training else found), lengths

    def every(self, frames, lengths):
        found = self.layer(frames)
        return [found, found], [lengths, lengths]


@pytest.mark.parametrize("kind", ["one", "inner", "outlets"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_logits_are_float32_under_autocast(kind, dtype):
    torch.manual_seed(0)
    model = CTCModel(Encoder(kind), VOCAB).train()
    frames, lengths = torch.randn(2, 5, DIM), torch.tensor([5, 3])
    with torch.autocast("cpu", dtype):
        encoded = model.encoder.layer(frames)
        found, _ = model(frames, lengths)
    assert encoded.dtype == dtype
    found = [found] if isinstance(found, torch.Tensor) else found
    heads = [model.dense, *model.heads] if kind == "outlets" else [model.dense] * len(found)
    assert len(found) == (1 if kind == "one" else 2)
    for logits, head in zip(found, heads, strict=True):
        assert logits.dtype == torch.float32
        assert torch.equal(logits, nn.functional.linear(encoded.float(), head.weight, head.bias))
    sum(each.square().sum() for each in found).backward()
    assert all(each.grad.dtype == torch.float32 for each in model.parameters())


def test_a_model_of_float64_stays_one():
    model = CTCModel(Encoder("one"), VOCAB).double()
    logits, _ = model(torch.randn(2, 5, DIM, dtype=torch.float64), torch.tensor([5, 3]))
    assert logits.dtype == torch.float64
