"""The Deep Speech papers' recurrent layer: h_t = min(max(W x_t + U h_(t-1) + b, 0), 20).

Hannun et al. 2014, section 2. torch has its like with a ReLU that nothing bounds, as a graph of four operations a step;
here the inputs of all frames are projected at once, a step is one matrix product and a clamp in place, its derivative
a product and a mask, and the gradient of the weights is one product over all frames.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class ClippedRNN(nn.Module):
    """One direction, over ``(frames, batch, dim)`` as torch's; the parameters have the names of torch's ``RNN``."""

    def __init__(self, input_dim: int, size: int, clip: float) -> None:
        super().__init__()
        self.clip = clip
        for name, parameter in nn.RNN(input_dim, size).named_parameters():
            self.register_parameter(name, parameter)

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """``(frames, batch, input_dim)`` -> ``(frames, batch, size)``, and the last frame's ``(1, batch, size)``."""
        named = dict(self.named_parameters())
        bias = named["bias_ih_l0"] + named["bias_hh_l0"]
        projected = nn.functional.linear(batch, named["weight_ih_l0"], bias).contiguous()
        recurrent = named["weight_hh_l0"].to(projected.dtype)  # autocast may have chosen another
        output: Tensor = _Steps.apply(projected, recurrent, self.clip)  # type: ignore[no-untyped-call]
        return output, output[-1:]


class _Steps(torch.autograd.Function):
    """The recurrence from projected inputs ``(frames, batch, size)``, which it overwrites with the outputs."""

    @staticmethod
    def forward(ctx: Any, projected: Tensor, weight: Tensor, clip: float) -> Tensor:
        first, *rest = projected.unbind()
        before, transposed = first.clamp_(0, clip), weight.t()
        for step in rest:
            before = step.addmm_(before, transposed).clamp_(0, clip)
        ctx.clip = clip
        ctx.mark_dirty(projected)
        ctx.save_for_backward(projected, weight)
        return projected

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        outputs, weight = ctx.saved_tensors
        sloped = ((outputs > 0) & (outputs < ctx.clip)).to(gradient.dtype)
        total = gradient * sloped
        after, *earlier = zip(reversed(total.unbind()), reversed(sloped.unbind()), strict=True)
        later = after[0]
        for step, slope in earlier:
            later = step.addcmul_(later @ weight, slope)
        flat = total[1:].flatten(0, 1)
        return total, flat.t() @ outputs[:-1].flatten(0, 1), None
