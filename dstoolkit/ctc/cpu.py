"""The CTC loss and its gradient on the CPU, on torch tensors without copies: three passes of Numba kernels.

``forward``: the softmax of every frame and the emissions of the target's tokens (``cpu_rows.forward_rows``, threads
share the frames), then the recursion (``cpu_recursion``, threads share the utterances). ``backward``: softmax minus
posterior, each element written once (``cpu_rows.backward_rows``). The emissions and forward values are the only scratch
memory. The results do not depend on the number of threads. Compiled code is cached on disk, beside the source or where
``NUMBA_CACHE_DIR`` says.
"""

from __future__ import annotations

import threading

import numba
import numpy as np
import torch
from torch import Tensor

from dstoolkit.ctc.cpu_recursion import SAFE, recursion, shares
from dstoolkit.ctc.cpu_rows import backward_rows, forward_rows

# Numba's fallback threading layer ends the process when two Python threads enter it at once.
ONE_AT_A_TIME = threading.Lock()


def forward(
    logits: Tensor,
    logit_lengths: Tensor,
    targets: Tensor,
    target_lengths: Tensor,
    blank: int,
    label_smoothing: float,
    entropy_weight: float,
    with_gradient: bool,
    safe: float = SAFE,
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses ``(batch,)`` in nats, occupancy ``(batch, frames, columns)`` and rows ``(batch, frames, 3)``.

    ``logits`` ``(batch, frames, vocab)``; the integers are int64 and valid, ``targets`` padded ``(batch, max_target)``.
    The outputs are float64 for float64 logits, else float32. ``safe`` is for tests: infinity means always in the log
    domain.
    """
    values = numbers(logits)
    batch, frames, vocab = logits.shape
    columns = min(vocab, targets.shape[1] + 1)
    losses = values.new_empty(batch)
    occupancy = values.new_empty(batch, frames, columns if with_gradient else 0)
    rows = values.new_empty(batch, frames, 3)
    emissions, offsets, penalties = np.empty((batch, frames, columns)), np.empty((batch, frames)), np.empty((batch, 0))
    regular = label_smoothing != 0 or entropy_weight != 0
    if regular:
        penalties = np.zeros((batch, frames))
    where = logit_lengths.numpy(), targets.numpy(), target_lengths.numpy(), blank
    with ONE_AT_A_TIME:
        threads = use_threads()
        forward_rows(
            values.numpy(),
            *where,
            label_smoothing,
            entropy_weight,
            rows.numpy(),
            emissions,
            offsets,
            penalties,
            threads,
        )
        dealt = shares(where[0], where[2], min(threads, max(batch, 1)))
        recursion(
            values.numpy(), *where, rows.numpy(), emissions, offsets, safe, losses.numpy(), occupancy.numpy(), dealt
        )
    if regular:
        losses = losses * (1 - label_smoothing) + torch.from_numpy(penalties.sum(axis=1)).to(losses.dtype)
    return losses, occupancy, rows


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
    """The gradient with respect to ``logits``, in their shape and dtype, from what ``forward`` gave."""
    values = numbers(logits)
    gradient = torch.empty_like(values)
    with ONE_AT_A_TIME:
        backward_rows(
            grad_losses.to(values.dtype).contiguous().numpy(),
            values.numpy(),
            logit_lengths.numpy(),
            targets.numpy(),
            target_lengths.numpy(),
            blank,
            label_smoothing,
            entropy_weight,
            losses.numpy(),
            occupancy.numpy(),
            rows.numpy(),
            gradient.numpy(),
            use_threads(),
        )
    return gradient.to(logits.dtype)


def numbers(logits: Tensor) -> Tensor:
    """Half-precision logits in single precision, and no part of a graph."""
    return (logits if logits.dtype == torch.float64 else logits.float()).detach()


def use_threads() -> int:
    """As many threads as torch uses, if Numba has them.

    Both run on one OpenMP library, torch's; when Numba starts its threads it sets their number for torch too, which
    would change torch's sums from then on. So it is set back.
    """
    wanted = torch.get_num_threads()
    threads = min(wanted, int(numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    numba.set_num_threads(threads)
    if torch.get_num_threads() != wanted:
        torch.set_num_threads(wanted)
    return threads
