"""CUDA kernels of Viterbi forced alignment: ``reference.viterbi``, one block an utterance, one thread a position.

Scores are float64 logs relative to each frame's largest logit, exact differences of float32 logits, so that equal paths
stay equal; what was taken out is added to the final score. A byte a position and frame says whence the best paths of
its blank (bit 2) and of its label (bits 0 and 1) came, as a number of states.
"""

from __future__ import annotations

import numpy as np
from numba import cuda, float64

from dstoolkit.ctc.cuda_device import POSITIONS, WARPS, exp, kernel, log, threads_max, threads_sum, widen

LABELS_TWICE = (2, POSITIONS)  # scores of the labels at even and at odd frames


@kernel()
def relative_rows(logits, blank, targets, frames, labels, log_scales, relative):
    """A frame's logits of the blank and of the target's labels, less its largest, and the log of its softmax's sum."""
    row = cuda.blockIdx.x * cuda.blockDim.y + cuda.threadIdx.y
    scratch = cuda.shared.array(WARPS, dtype=float64)
    if row >= logits.shape[0] * logits.shape[1]:
        return
    b = row // logits.shape[1]
    t, first = row - b * logits.shape[1], cuda.threadIdx.x
    if t >= frames[b]:
        return
    largest = -np.inf
    for v in range(first, logits.shape[2], cuda.blockDim.x):
        largest = max(largest, float64(widen(logits[b, t, v])))
    largest = threads_max(largest, scratch)
    total = 0.0
    for v in range(first, logits.shape[2], cuda.blockDim.x):
        total += exp(float64(widen(logits[b, t, v])) - largest)
    total = threads_sum(total, scratch)
    if first == 0:
        log_scales[b, t] = log(total)
    for column in range(first, labels[b] + 1, cuda.blockDim.x):
        token = blank if column == 0 else targets[b, column - 1]
        relative[b, t, column] = float64(widen(logits[b, t, token])) - largest


@kernel()
def best_paths(frames, labels, targets, faults, log_scales, relative, steps, states, scores):
    """Fills ``states`` (-1 where there is none) and ``scores``; ``steps`` (B, T, U + 1) is working space."""
    b, j = cuda.blockIdx.x, cuda.threadIdx.x
    shared = cuda.shared.array(LABELS_TWICE, dtype=float64)
    scratch = cuda.shared.array(WARPS, dtype=float64)
    count, length = frames[b], labels[b]
    has_label = j < length
    skip = has_label and j > 0 and targets[b, j] != targets[b, j - 1]
    blank, label, log_scale = 0.0 if j == 0 else -np.inf, -np.inf, 0.0
    for t in range(j, count, cuda.blockDim.x):
        log_scale += log_scales[b, t]
    log_scale = threads_sum(log_scale, scratch)
    for t in range(j, states.shape[1], cuda.blockDim.x):
        states[b, t] = -1
    for t in range(count):
        shared[t % 2, j] = label
        cuda.syncthreads()
        if j <= length:
            below = shared[t % 2, j - 1] if j > 0 else -np.inf
            best_blank, best_label, move = blank, label, 0
            if below > blank:
                best_blank, move = below, 4
            if blank > best_label:
                best_label, move = blank, move | 1
            if skip and below > best_label:
                best_label, move = below, (move & 4) | 2
            steps[b, t, j] = move
            blank = best_blank + relative[b, t, 0]
            if has_label:
                label = best_label + relative[b, t, j + 1]
    shared[count % 2, j] = label
    cuda.syncthreads()
    if j != length:
        return
    below = shared[count % 2, j - 1] if j > 0 else -np.inf
    best = max(blank, below)
    state = np.int64(2 * length - 1 if below > blank else 2 * length)
    if faults[b, 0] != 0 or log_scale != log_scale:
        scores[b] = np.nan
    elif best > -np.inf:
        scores[b] = best - log_scale
        for back in range(count):
            t = count - 1 - back
            states[b, t] = state
            came = np.int64(steps[b, t, state // 2])
            state -= came & 3 if state % 2 else came >> 2
    else:
        scores[b] = -np.inf
