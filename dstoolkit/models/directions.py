"""The two directions of a bidirectional layer side by side on a CPU, each with half of the threads.

torch runs the directions one after another and shares each time step's small matrix products among all threads, which
then wait for each other at every step. Two directions have nothing to wait for until the layer's end. Measured on two
idle cores the gain is a few percent with small batches, and a loss of a sixth with large ones (docs/benchmarks.md);
where another process wants a core too, steps that wait for each other lose three quarters of their speed and directions
side by side a third. Results are the same to the bit.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn


@functools.cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Two threads that compute with ``threads`` of torch's each; a forked process makes its own."""
    return ThreadPoolExecutor(2, "direction", functools.partial(torch.set_num_threads, threads))


def side_by_side(inputs: Sequence[Tensor], layers: Sequence[nn.Module]) -> bool:
    """Whether ``run`` may and should compute these side by side."""
    on_cpu = all(each.device.type == "cpu" for each in inputs)
    return len(layers) == 2 and on_cpu and torch.get_num_threads() > 1


# A graph of as many steps as there are frames would take minutes to compile.
@torch.compiler.disable  # type: ignore[untyped-decorator]
def run(inputs: Sequence[Tensor], layers: Sequence[nn.Module]) -> list[Tensor]:
    """The first output of each layer, a torch RNN, for its input."""
    if not side_by_side(inputs, layers):
        return [layer(each)[0] for each, layer in zip(inputs, layers, strict=True)]
    parameters = [parameter for layer in layers for parameter in layer.parameters()]
    outputs: tuple[Tensor, ...] = _SideBySide.apply(tuple(layers), *inputs, *parameters)  # type: ignore[no-untyped-call]
    return list(outputs)


class _SideBySide(torch.autograd.Function):
    """Each layer's own graph is built and differentiated in its thread; the surrounding graph sees one operation."""

    @staticmethod
    def forward(ctx: Any, layers: tuple[nn.Module, ...], *tensors: Tensor) -> tuple[Tensor, ...]:
        needed = any(ctx.needs_input_grad)
        reduced, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")  # of this thread alone

        def compute(layer: nn.Module, given: Tensor) -> tuple[Tensor, Tensor]:
            with torch.set_grad_enabled(needed), torch.autocast("cpu", dtype, enabled=reduced):
                given = given.detach().requires_grad_(needed)
                return given, layer(given)[0]

        ctx.threads = max(1, torch.get_num_threads() // 2)
        ctx.layers, ctx.pairs = layers, _both(ctx.threads, compute, layers, tensors[: len(layers)])
        return tuple(output.detach() for _, output in ctx.pairs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        def differentiate(layer: nn.Module, pair: tuple[Tensor, Tensor], gradient: Tensor) -> list[Tensor | None]:
            wanted = [pair[0], *(each for each in layer.parameters() if each.requires_grad)]
            found = iter(torch.autograd.grad(pair[1], wanted, gradient))
            return [next(found), *(next(found) if each.requires_grad else None for each in layer.parameters())]

        results = _both(ctx.threads, differentiate, ctx.layers, ctx.pairs, gradients)
        inputs = [each[0] for each in results]
        return (None, *inputs, *(gradient for each in results for gradient in each[1:]))


def _both(threads: int, function: Any, *columns: Sequence[Any]) -> list[Any]:
    pool = _pool(os.getpid(), threads)
    return [each.result() for each in [pool.submit(function, *row) for row in zip(*columns, strict=True)]]
