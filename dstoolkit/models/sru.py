"""Simple recurrent units (Lei et al. 2018, "Simple recurrent units for highly parallelizable recurrence", EMNLP).

f = sigmoid(W_f x + v_f c + b_f), c' = f c + (1 - f) W x, r = sigmoid(W_r x + v_r c + b_r), h = r g(c') + (1 - r) x in
the paper's final form; here, as in its first version (arXiv:1709.02755v1), gates hear the input alone (v = 0), so that
the only recurrence is c' = f c + u, value by value. All products run over all frames at once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dstoolkit.models.activations import ACTIVATIONS

FORGET = 1.0  # the forget gate's first bias: what is in the cell stays for a while


class SRU(nn.Module):
    """One direction, over ``(frames, batch, dim)``; ``activation`` is g. An input of another size is projected."""

    def __init__(self, input_dim: int, size: int, activation: str = "tanh") -> None:
        super().__init__()
        self.activation = activation
        self.gates = nn.Linear(input_dim, 2 * size)
        self.candidate = nn.Linear(input_dim, size, bias=False)
        self.carry = nn.Linear(input_dim, size, bias=False) if input_dim != size else nn.Identity()
        with torch.no_grad():
            self.gates.bias[:size] += FORGET

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """``(frames, batch, input_dim)`` -> ``(frames, batch, size)``, and the last frame's cells."""
        forget, reset = self.gates(batch).sigmoid().chunk(2, dim=2)
        cells: Tensor = _Decay.apply(forget, (1 - forget) * self.candidate(batch))  # type: ignore[no-untyped-call]
        return torch.lerp(self.carry(batch), ACTIVATIONS[self.activation](cells), reset), cells[-1:]


class _Decay(torch.autograd.Function):
    """c_t = f_t c_(t-1) + u_t over the first axis; dc_t = g_t + f_(t+1) dc_(t+1), df_t = dc_t c_(t-1), du_t = dc_t."""

    @staticmethod
    def forward(ctx: Any, forget: Tensor, new: Tensor) -> Tensor:
        cells = torch.empty_like(new, memory_format=torch.contiguous_format)
        before = torch.zeros_like(new[0])
        for keep, add, out in zip(forget.unbind(), new.unbind(), cells.unbind(), strict=True):
            before = torch.addcmul(add, keep, before, out=out)
        ctx.save_for_backward(forget, cells)
        return cells

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        forget, cells = ctx.saved_tensors
        total = gradient.clone(memory_format=torch.contiguous_format)
        steps = list(zip(total.unbind(), forget.unbind(), strict=True))
        for (earlier, _), (later, keep) in zip(reversed(steps[:-1]), reversed(steps[1:]), strict=True):
            earlier.addcmul_(keep, later)
        former = torch.cat([torch.zeros_like(cells[:1]), cells[:-1]])
        return total * former, total
