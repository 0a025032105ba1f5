"""Recurrent cells whose outer activation is another than tanh, step by step in torch's operations.

Kur's default was ReLU there. They are several times slower than the cells with tanh, which run as one operation. Their
parameters have the names and the order of torch's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dstoolkit.models.activations import ACTIVATIONS


class ActivatedGRU(nn.Module):
    """torch's GRU, of one layer and direction, with ``activation`` on the candidate state."""

    def __init__(self, input_dim: int, size: int, activation: str) -> None:
        super().__init__()
        self.activation = activation
        for name, parameter in nn.GRU(input_dim, size).named_parameters():
            self.register_parameter(name, parameter)

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """``(frames, batch, input_dim)`` -> ``(frames, batch, size)``, and the last frame's."""
        named = dict(self.named_parameters())
        outer = ACTIVATIONS[self.activation]
        projected = nn.functional.linear(batch, named["weight_ih_l0"], named["bias_ih_l0"])
        state = projected.new_zeros(batch.shape[1], projected.shape[2] // 3)
        outputs = []
        for step in projected.unbind():
            reset, update, new = step.chunk(3, dim=1)
            of_reset, of_update, of_new = nn.functional.linear(state, named["weight_hh_l0"], named["bias_hh_l0"]).chunk(
                3, dim=1
            )
            candidate = outer(new + (reset + of_reset).sigmoid() * of_new)
            state = torch.lerp(candidate, state, (update + of_update).sigmoid())
            outputs.append(state)
        return torch.stack(outputs), state[None]


class ActivatedLSTM(nn.Module):
    """torch's LSTM, of one layer and direction, with ``activation`` on the candidate and on the cell's output."""

    def __init__(self, input_dim: int, size: int, activation: str) -> None:
        super().__init__()
        self.activation = activation
        for name, parameter in nn.LSTM(input_dim, size).named_parameters():
            self.register_parameter(name, parameter)

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """``(frames, batch, input_dim)`` -> ``(frames, batch, size)``, and the last frame's."""
        named = dict(self.named_parameters())
        outer = ACTIVATIONS[self.activation]
        projected = nn.functional.linear(batch, named["weight_ih_l0"], named["bias_ih_l0"] + named["bias_hh_l0"])
        state = inner = projected.new_zeros(batch.shape[1], projected.shape[2] // 4)
        outputs = []
        for step in projected.unbind():
            let_in, kept, candidate, let_out = (step + state @ named["weight_hh_l0"].t()).chunk(4, dim=1)
            inner = kept.sigmoid() * inner + let_in.sigmoid() * outer(candidate)
            state = let_out.sigmoid() * outer(inner)
            outputs.append(state)
        return torch.stack(outputs), state[None]
