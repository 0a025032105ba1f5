"""Gated recurrent units (Cho et al. 2014) on CPUs, in fewer and larger operations than torch's.

r, z = sigmoid(x W_rz + h U_rz + b), n = tanh(x W_n + b + r (h U_n + c)), h' = n + z (h - n): torch's form, where the
reset gate falls on the product. torch builds a graph of a dozen operations for each step, and adds each step's gradient
of the weights, a whole matrix, to the others'. Here the recurrence is one operation of the graph: a step forwards is a
matrix product and six operations in place; what its derivative multiplies with is computed for many frames at once, so
that a step backwards is a product and five operations; the gradients of the weights are one product over all frames.
docs/rnn.md has the times.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

CHUNK = 16  # frames whose derivatives stay in the cache


class GRU(nn.GRU):
    """torch's, of one layer and direction, over ``(frames, batch, dim)``; elsewhere than on CPUs it is torch's code."""

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """``(frames, batch, input_size)`` -> ``(frames, batch, hidden_size)``, and the last frame's."""
        if batch.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            output, last = super().forward(batch)
            return output, last
        of_inputs, of_state, *biases = self.parameters()
        projected = nn.functional.linear(batch, of_inputs, biases[0]).contiguous()
        outputs: Tensor = _Steps.apply(projected, of_state, biases[1])  # type: ignore[no-untyped-call]
        return outputs, outputs[-1:]


class _Steps(torch.autograd.Function):
    """The recurrence from projected inputs ``(frames, batch, 3 size)``, in the order reset, update, new."""

    @staticmethod
    def forward(ctx: Any, projected: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        frames, batch, size = projected.shape[0], projected.shape[1], weight.shape[1]
        gates = projected.clone()
        outputs = gates.new_empty(frames, batch, size)
        recurrent = torch.empty_like(outputs)  # h U_n + c of each frame
        before, transposed = gates.new_zeros(batch, size), weight.t().contiguous()
        for step, inner, after in zip(gates.unbind(), recurrent.unbind(), outputs.unbind(), strict=True):
            product = torch.addmm(bias, before, transposed)
            both = step[:, : 2 * size].add_(product[:, : 2 * size]).sigmoid_()
            inner.copy_(product[:, 2 * size :])
            new = step[:, 2 * size :].addcmul_(both[:, :size], inner).tanh_()
            before = torch.lerp(new, before, both[:, size:], out=after)
        ctx.save_for_backward(gates, recurrent, outputs, weight)
        return outputs

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        gates, recurrent, outputs, weight = ctx.saved_tensors
        frames, batch, size = outputs.shape
        earlier = torch.cat([torch.zeros_like(outputs[:1]), outputs[:-1]])
        inputs, products = torch.empty_like(gates), torch.empty_like(gates)
        total = torch.zeros_like(outputs[0])
        for start in range((frames - 1) // CHUNK * CHUNK, -1, -CHUNK):
            part = slice(start, start + CHUNK)
            reset, update, new = gates[part].chunk(3, dim=2)
            to_new = (1 - new.square()).mul_(1 - update)  # dh' by what is under the tanh
            slopes = products[part].view(-1, batch, 3, size)
            torch.mul(to_new, reset, out=slopes[:, :, 2])
            torch.mul((earlier[part] - new).mul_(update), 1 - update, out=slopes[:, :, 1])
            torch.mul((to_new * recurrent[part]).mul_(reset), 1 - reset, out=slopes[:, :, 0])
            steps = zip(gradient[part].unbind(), slopes.unbind(), to_new.unbind(), update.unbind(), strict=True)
            for given, slope, direct, kept in reversed(list(steps)):
                total = total + given
                slope.mul_(total[:, None])
                direct.mul_(total)
                total.mul_(kept).addmm_(slope.flatten(1), weight)
            inputs[part, :, : 2 * size] = products[part, :, : 2 * size]
            inputs[part, :, 2 * size :] = to_new
        flat = products.flatten(0, 1)
        return inputs, flat.t() @ earlier.flatten(0, 1), flat.sum(0)
