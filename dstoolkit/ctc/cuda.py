"""The CTC loss on NVIDIA GPUs: the host's side of the kernels in ``cuda_rows``, ``cuda_recursion``, ``cuda_gradient``.

Everything happens on torch's current stream, in memory of torch's allocator, with lengths and targets left on the GPU:
no host synchronisation, so a CUDA graph can capture ``forward`` and ``backward`` once they have run before (which
compiles them). Kernels need compute capability 7.5 and ``numba-cuda``; ``available`` says what is missing. In Numba's
simulator the same code runs on CPU tensors.

Lengths or labels that cannot be are found by the GPU, which ignores such an utterance but for a loss of NaN. The host
learns of it without waiting: the fault codes are copied to pinned memory, and the first later call that finds the copy
done raises ValueError (``raise_pending``). Nothing is raised, or looked at, while a graph is captured.
"""

from __future__ import annotations

import importlib.util

import torch
from torch import Tensor

from dstoolkit.ctc.cuda_launch import MOST_LABELS, Workspace, current, numba_cuda, raise_pending, remember

__all__ = ["MOST_LABELS", "available", "backward", "forward", "raise_pending", "viterbi"]

NEEDED = (7, 5)  # compute capability
INSTALL = "install dstoolkit[cuda12] or dstoolkit[cuda13]"


def available() -> str | None:
    """Why the kernels cannot run here, or None where they can."""
    if importlib.util.find_spec("numba_cuda") is None:
        return f"numba-cuda is not installed; {INSTALL}"
    if _simulated():
        return None
    if not torch.cuda.is_available():
        return "torch finds no CUDA device"
    capability = torch.cuda.get_device_capability()
    if capability < NEEDED:
        return "the GPU's compute capability is {}.{}; 7.5 is needed".format(*capability)
    try:
        return None if numba_cuda().is_available() else f"numba-cuda finds no driver or no CUDA toolkit; {INSTALL}"
    except Exception as error:  # a driver, a toolkit or a package that does not fit: anything may be raised
        return f"numba-cuda does not work here: {type(error).__name__}: {error}; {INSTALL}"


def _simulated() -> bool:
    import numba

    return bool(getattr(numba.config, "ENABLE_CUDASIM", False))


def forward(
    logits: Tensor,
    logit_lengths: Tensor,
    targets: Tensor,
    target_lengths: Tensor,
    blank: int,
    label_smoothing: float,
    entropy_weight: float,
    with_gradient: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses ``(batch,)`` in nats, and what ``backward`` needs: posteriors and each frame's softmax.

    ``(batch, frames, vocab)`` logits of any floating type, ``(batch,)`` int64, ``(batch, max_target)`` int64 padded,
    ``(batch,)`` int64. Results are float32, float64 for float64 logits. Raises ValueError for targets of more than
    1,023 labels, and for the faults of an earlier call; see the module's text.
    """
    from dstoolkit.ctc import cuda_gradient, cuda_rows

    raise_pending()
    with current(logits.device):
        work = Workspace(logits, logit_lengths, targets, target_lengths, blank)
        remember(work)
        losses, stats = work.empty(work.batch), work.empty(work.batch, work.frames, 3)
        padded = work.batch, max(1, work.frames)
        log_scales, shares = work.empty(2, *padded, dtype=torch.float64)
        mantissas = work.empty(*padded, work.columns)
        exponents = work.empty(*padded, work.columns, dtype=torch.int32)
        work.launch.rows(
            *(cuda_rows.rows, work.batch * work.frames, max(work.vocab, work.columns), 1, work.logits, blank),
            *(work.targets, work.lengths, work.labels, float(label_smoothing), float(entropy_weight)),
            *(stats, log_scales, shares, mantissas, exponents),
        )
        values, value_exponents, totals, total_exponents = _recursion(work, mantissas, exponents, with_gradient)
        work.launch(
            *(cuda_rows.losses, (work.batch,), (8 * work.launch.warp,), work.lengths, work.faults, log_scales, shares),
            *(totals, total_exponents, float(label_smoothing), losses),
        )
        occupied = work.empty(work.batch, work.frames, min(work.vocab, work.columns) if with_gradient else 0)
        if with_gradient:
            work.launch.rows(
                *(cuda_gradient.occupancy, work.batch * work.frames, work.columns, 1, work.vocab <= work.columns),
                *(
                    blank,
                    work.lengths,
                    work.labels,
                    work.targets,
                    work.order,
                    losses,
                    values,
                    value_exponents,
                    occupied,
                ),
            )
    return losses, occupied, stats


def _recursion(
    work: Workspace, mantissas: Tensor, exponents: Tensor, keeping: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Forward and backward variables as mantissas and exponents, and the probability of each target likewise."""
    from dstoolkit.ctc import cuda_recursion

    batch, frames, columns = work.batch, max(1, work.frames), work.columns
    shape = (2, batch, frames, 2, columns) if keeping else (1, 1, 1, 1, 1)
    values, value_exponents = work.empty(*shape), work.empty(*shape, dtype=torch.int32)
    totals, total_exponents = work.empty(batch, 2), work.empty(batch, dtype=torch.int32)
    threads = work.launch.warp * -(-columns // work.launch.warp)
    work.launch(
        cuda_recursion.recursion if threads <= cuda_recursion.SHORT else cuda_recursion.long_recursion,
        (batch, 2 if keeping else 1),
        (threads,),
        *(work.lengths, work.labels, work.targets, frames, columns, mantissas.view(-1), exponents.view(-1)),
        *(values.view(-1), value_exponents.view(-1), totals, total_exponents, keeping),
    )
    return values, value_exponents, totals, total_exponents


def backward(
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
    """The derivatives by the logits, in their dtype: of what ``forward`` gave, each times its ``grad_losses``."""
    from dstoolkit.ctc import cuda_gradient

    with current(logits.device):
        work = Workspace(logits, logit_lengths, targets, target_lengths, blank)
        gradient = torch.empty_like(work.logits)
        options = (work.scalar(label_smoothing), work.scalar(entropy_weight), work.scalar(1 / work.vocab))
        work.launch.rows(
            *(cuda_gradient.gradient, work.batch * work.frames, work.vocab, -(-work.vocab // cuda_gradient.TILE)),
            *(grad_losses.to(work.dtype).contiguous(), work.logits, blank, work.logit_lengths, work.targets),
            *(work.labels, work.order, *options, losses, occupancy, rows, gradient),
        )
    return gradient


def viterbi(
    logits: Tensor, logit_lengths: Tensor, targets: Tensor, target_lengths: Tensor, blank: int
) -> tuple[Tensor, Tensor]:
    """The likeliest path of each utterance: states ``(batch, frames)`` int32 of 0 to 2U, scores ``(batch,)`` float64.

    Arguments and errors are ``forward``'s. States are -1 in padding and where there is no path, and the score then is
    -inf; it is NaN where a frame is no distribution or the utterance has a fault. Of equal paths into a state the one
    that stayed comes first, then the one from the state before; at the end the last blank comes before the last label.
    """
    from dstoolkit.ctc import cuda_viterbi

    raise_pending()
    with current(logits.device):
        work = Workspace(logits, logit_lengths, targets, target_lengths, blank)
        remember(work)
        padded = work.batch, max(1, work.frames)
        log_scales = work.empty(*padded, dtype=torch.float64)
        relative = work.empty(*padded, work.columns, dtype=torch.float64)
        steps = work.empty(*padded, work.columns, dtype=torch.uint8)
        states, scores = work.empty(*padded, dtype=torch.int32), work.empty(work.batch, dtype=torch.float64)
        work.launch.rows(
            *(cuda_viterbi.relative_rows, work.batch * work.frames, max(work.vocab, work.columns), 1, work.logits),
            *(blank, work.targets, work.lengths, work.labels, log_scales, relative),
        )
        work.launch(
            *(cuda_viterbi.best_paths, (work.batch,), (work.launch.warp * -(-work.columns // work.launch.warp),)),
            *(work.lengths, work.labels, work.targets, work.faults, log_scales, relative, steps, states, scores),
        )
    return states[:, : work.frames], scores
