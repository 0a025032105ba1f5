"""The CTC loss and its gradient on the CPU, on torch tensors without copies: two passes of Numba kernels.

``forward`` (``cpu_recursion``): for each utterance the softmax of its frames, the emissions of its target's tokens and
the forward-backward recursion, by one thread in its own cache; threads share the utterances, the longest dealt first.
``backward`` (``cpu_rows``): softmax minus posterior, each element written once; threads share the frames. The results
do not depend on the number of threads. Compiled code is cached on disk, beside the source or where ``NUMBA_CACHE_DIR``
says.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dstoolkit.compiled import ONE_AT_A_TIME, threads_for
from dstoolkit.ctc.cpu_log import log_domain
from dstoolkit.ctc.cpu_recursion import LOST, SAFE, forward_pass
from dstoolkit.ctc.cpu_rows import backward_rows

KEPT = 2**26  # bytes
FloatArray = np.ndarray[Any, np.dtype[np.float64]]
_scratch: dict[str, FloatArray] = {}  # used under the lock


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
    occupancy = values.new_empty(batch, frames, columns if with_gradient else 0)
    rows = values.new_empty(batch, frames, 3)
    regular = label_smoothing != 0 or entropy_weight != 0
    penalties = np.zeros((batch, frames if regular else 0))
    inputs = values.numpy(), logit_lengths.numpy(), targets.numpy(), target_lengths.numpy(), blank
    offsets, exact = np.empty((batch, frames, 2)), np.empty(batch)
    with ONE_AT_A_TIME:
        threads = threads_for(batch * frames * (vocab + 4 * columns))
        forward_pass(
            threads,
            *inputs,
            label_smoothing,
            entropy_weight,
            safe,
            scratch("emissions", (threads, frames, columns)),
            scratch("forward", (threads, frames + 1, 2, targets.shape[1] + 2)),
            rows.numpy(),
            offsets,
            penalties,
            exact,
            occupancy.numpy(),
        )

    def again(b: int) -> None:
        length, labels = logit_lengths[b], inputs[2][b, : target_lengths[b]]
        own = inputs[0][b, :length], labels, blank, rows[b].numpy(), offsets[b]
        exact[b] = log_domain(*own, columns == vocab, occupancy[b].numpy())

    lost = np.flatnonzero(exact == LOST).tolist()
    if lost:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(again, lost))
    if regular:
        exact = exact * (1 - label_smoothing) + penalties.sum(axis=1)
    return torch.from_numpy(exact).to(values.dtype), occupancy, rows


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
    inputs = values.numpy(), logit_lengths.numpy(), targets.numpy(), target_lengths.numpy(), blank
    found = losses.numpy(), occupancy.numpy(), rows.numpy()
    weights = grad_losses.to(values.dtype).contiguous().numpy()
    with ONE_AT_A_TIME:
        threads = threads_for(values.numel())
        options = (label_smoothing, entropy_weight)
        backward_rows(threads, weights, *inputs, *options, *found, gradient.numpy())
    return gradient.to(logits.dtype)


def scratch(name: str, shape: tuple[int, ...]) -> FloatArray:
    """Memory kept from call to call, up to ``KEPT`` bytes a name: fresh pages cost as much as the work on them."""
    size = math.prod(shape)
    if 8 * size > KEPT:
        return np.empty(shape)
    if name not in _scratch or len(_scratch[name]) < size:
        _scratch[name] = np.empty(size)
    return _scratch[name][:size].reshape(shape)


def numbers(logits: Tensor) -> Tensor:
    """Half-precision logits in single precision, and no part of a graph."""
    return (logits if logits.dtype == torch.float64 else logits.float()).detach()
