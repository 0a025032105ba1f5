"""The CTC kernels in autograd: as a Function, and as the operators ``dstoolkit::ctc_forward`` and ``..._backward``.

The operators have a fake-tensor rule, so they are opaque to ``torch.compile``, and autograd knows the one as the
other's derivative. Outside compiled programs the Function calls the same kernels with a quarter of a millisecond less
of torch's bookkeeping, which is as long as a small batch takes. Which kernels run depends on the device alone: ``cpu``
and ``cuda`` offer two functions of the same names and signatures.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from dstoolkit.ctc.arguments import check_values


def losses(
    logits: Tensor,
    logit_lengths: Tensor,
    targets: Tensor,
    target_lengths: Tensor,
    blank: int,
    label_smoothing: float,
    entropy_weight: float,
) -> Tensor:
    """Losses ``(batch,)`` in nats, differentiable. ``targets`` are padded.

    Raises ValueError, naming the utterance's index, for lengths and labels that do not fit; on a GPU, where looking at
    them would wait for it, at a later call.
    """
    inputs = (logits, logit_lengths, targets, target_lengths, blank, label_smoothing, entropy_weight)
    with_gradient = torch.is_grad_enabled() and logits.requires_grad
    if torch.compiler.is_compiling() or type(logits) not in (Tensor, torch.nn.Parameter):
        compiled: Tensor = ctc_forward(*inputs, with_gradient)[0]
        return compiled
    if not with_gradient:
        return run_forward(*inputs, False)[0]
    found: Tensor = CTCFunction.apply(*inputs)  # type: ignore[no-untyped-call]
    return found


def kernels(device: torch.device) -> ModuleType:
    """The module of this device's kernels. Raises ValueError for devices other than CPUs and CUDA GPUs."""
    if device.type == "cpu":
        from dstoolkit.ctc import cpu

        return cpu
    if device.type == "cuda":
        from dstoolkit.ctc import cuda

        return cuda
    raise ValueError(f"no Numba CTC kernels for device {str(device)!r}; expected cpu or cuda")


def moved(device: torch.device, *integers: Tensor) -> list[Tensor]:
    return [each.to(device, torch.int64, non_blocking=True).contiguous() for each in integers]


def run_forward(
    logits: Tensor,
    logit_lengths: Tensor,
    targets: Tensor,
    target_lengths: Tensor,
    blank: int,
    label_smoothing: float,
    entropy_weight: float,
    with_gradient: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Checked and computed: losses, and what ``run_backward`` needs of them (see ``cpu.forward``)."""
    lengths, labels, counts = integers = [each.to(torch.int64) for each in (logit_lengths, targets, target_lengths)]
    if all(each.device.type == "cpu" for each in integers):
        check_values(logits, lengths, labels, counts, blank)
    result: tuple[Tensor, Tensor, Tensor] = kernels(logits.device).forward(
        logits.detach().contiguous(),
        *moved(logits.device, *integers),
        blank,
        label_smoothing,
        entropy_weight,
        with_gradient,
    )
    return result


def run_backward(
    grad_losses: Tensor,
    logits: Tensor,
    logit_lengths: Tensor,
    targets: Tensor,
    target_lengths: Tensor,
    blank: int,
    label_smoothing: float,
    entropy_weight: float,
    losses: Tensor,
    occupancy: Tensor,
    rows: Tensor,
) -> Tensor:
    """The gradient with respect to ``logits``, in their shape and dtype."""
    gradient: Tensor = kernels(logits.device).backward(
        grad_losses,
        logits.detach().contiguous(),
        *moved(logits.device, logit_lengths, targets, target_lengths),
        blank,
        label_smoothing,
        entropy_weight,
        losses,
        occupancy,
        rows,
    )
    return gradient


class CTCFunction(torch.autograd.Function):
    """``losses`` outside compiled programs."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        arguments = (*inputs, True)
        output = run_forward(*arguments)
        logits, *integers = inputs[:4]
        ctx.save_for_backward(logits, *moved(logits.device, *integers), *output)  # not moved again by backward
        ctx.options = inputs[4:]
        return output[0]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_losses: Tensor) -> tuple[Tensor | None, ...]:
        tensors = ctx.saved_tensors
        gradient = run_backward(grad_losses, *tensors[:4], *ctx.options, *tensors[4:])
        return gradient, None, None, None, None, None, None


ctc_forward = torch.library.custom_op("dstoolkit::ctc_forward", run_forward, mutates_args=())
ctc_backward = torch.library.custom_op("dstoolkit::ctc_backward", run_backward, mutates_args=())


@ctc_forward.register_fake
def _(
    logits: Tensor,
    logit_lengths: Tensor,
    targets: Tensor,
    target_lengths: Tensor,
    blank: int,
    label_smoothing: float,
    entropy_weight: float,
    with_gradient: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    batch, frames, vocab = logits.shape
    columns = torch.sym_min(vocab, targets.shape[1] + 1) if with_gradient else 0  # type: ignore[no-untyped-call]
    dtype = torch.float64 if logits.dtype == torch.float64 else torch.float32
    losses = logits.new_empty((batch,), dtype=dtype)
    return losses, losses.new_empty((batch, frames, columns)), losses.new_empty((batch, frames, 3))


@ctc_backward.register_fake
def _(grad_losses: Tensor, logits: Tensor, *others: Any) -> Tensor:
    return torch.empty_like(logits, memory_format=torch.contiguous_format)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    logits, logit_lengths, targets, target_lengths, *ctx.options, _with_gradient = inputs
    ctx.save_for_backward(logits, logit_lengths, targets, target_lengths, *output)
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, grad_losses: Tensor | None, *_: Any) -> tuple[Tensor | None, ...]:
    gradient = None
    if grad_losses is not None:
        inputs, output = ctx.saved_tensors[:4], ctx.saved_tensors[4:]
        gradient = ctc_backward(grad_losses, *inputs, *ctx.options, *output)
    return gradient, None, None, None, None, None, None, None


ctc_forward.register_autograd(_differentiate, setup_context=_save)
