"""Launching the CTC loss's CUDA kernels on torch tensors: streams, arguments, and the faults that the GPU finds.

Nothing here waits for the GPU but ``raise_pending(wait=True)``.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

MOST_LABELS = 1023  # of a target: with the last blank, one position a thread of a block
NUMBERS = {torch.float64: torch.float64}  # what the kernels reckon with; float32 for all other logits


def numba_cuda() -> Any:
    from numba import cuda

    return cuda


class Launcher:
    """Launches kernels for the tensors of one device, on torch's current stream."""

    def __init__(self, device: torch.device) -> None:
        from dstoolkit.ctc import cuda_device

        self.warp, self.narrow = cuda_device.WARP, 4 * cuda_device.WARP  # a row up to ``narrow`` long is a warp's work
        self.device, self.stream = device, 0
        self.wrapped: dict[int, tuple[Tensor, Any]] = {}  # each tensor once, for it takes microseconds
        if device.type == "cuda":
            handle = torch.cuda.current_stream(device).cuda_stream
            self.stream = numba_cuda().external_stream(handle) if handle else 0

    def __call__(self, kernel: Any, grid: Sequence[int], block: Sequence[int], *arguments: Any) -> None:
        if all(grid):
            kernel[tuple(grid), tuple(block), self.stream](*map(self._argument, arguments))

    def rows(self, kernel: Any, rows: int, length: int, tiles: int, *arguments: Any) -> None:
        """Launches a kernel that works on ``rows`` rows of about ``length`` numbers each."""
        if length <= self.narrow:
            self(kernel, (-(-rows // 4), tiles), (self.warp, 4), *arguments)
        else:
            self(kernel, (rows, tiles), (8 * self.warp, 1), *arguments)

    def _argument(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if id(value) not in self.wrapped:
            self.wrapped[id(value)] = value, self._array(value.detach())
        return self.wrapped[id(value)][1]

    def _array(self, tensor: Tensor) -> Any:
        if tensor.dtype == torch.bfloat16:  # NumPy has none: its bits
            tensor = tensor.view(torch.int16)
        if tensor.device.type == "cpu":
            return tensor.numpy()
        return numba_cuda().as_cuda_array(tensor)


class Workspace:
    """What a call of the kernels has in common: sizes, launcher, and the targets as checked on the GPU.

    No tensor given to a kernel is empty, because not every version of numba-cuda takes such.
    """

    def __init__(
        self, logits: Tensor, logit_lengths: Tensor, targets: Tensor, target_lengths: Tensor, blank: int
    ) -> None:
        from dstoolkit.ctc import cuda_rows

        self.batch, self.frames, self.vocab = logits.shape
        self.width, self.blank = targets.shape[1], blank
        if self.width > MOST_LABELS:
            raise ValueError(
                f"targets of {self.width} labels; expected at most {MOST_LABELS} on CUDA; use backend torch"
            )
        self.dtype = NUMBERS.get(logits.dtype, torch.float32)
        self.device, self.launch = logits.device, Launcher(logits.device)
        self.logits, self.logit_lengths = logits.contiguous(), logit_lengths.contiguous()
        self.targets = targets.contiguous() if self.width else self.empty(self.batch, 1, dtype=torch.int64)
        self.lengths, self.labels = self.empty(2, self.batch, dtype=torch.int64)
        self.faults = self.empty(self.batch, 2, dtype=torch.int64)
        self.order = self.empty(self.batch, max(1, self.width), dtype=torch.int32)
        self.launch(
            cuda_rows.check_targets,
            (self.batch,),
            (8 * self.launch.warp,),
            *(self.frames, self.vocab, self.width, blank, self.logit_lengths, self.targets),
            *(target_lengths.contiguous(), self.lengths, self.labels, self.faults, self.order),
        )

    @property
    def columns(self) -> int:
        """A target's positions: the blank before each label, and the last."""
        return self.width + 1

    def empty(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        return torch.empty(shape, dtype=dtype or self.dtype, device=self.device)

    def scalar(self, number: float) -> Any:
        return np.float64(number) if self.dtype == torch.float64 else np.float32(number)


@contextlib.contextmanager
def current(device: torch.device) -> Iterator[None]:
    """Makes the device the current one; in the simulator there is none."""
    with torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext():
        yield


_pending: deque[tuple[Any, Tensor, tuple[int, int, int, int]]] = deque()  # event, faults on the host, sizes


def remember(work: Workspace) -> None:
    """Sends the fault codes of a batch to the host, for ``raise_pending`` to read once they are there."""
    sizes = work.frames, work.vocab, work.width, work.blank
    if work.device.type == "cpu":
        _pending.append((None, work.faults, sizes))
    elif work.batch and not torch.cuda.is_current_stream_capturing():
        host = torch.empty(work.faults.shape, dtype=torch.int64, pin_memory=True)
        host.copy_(work.faults, non_blocking=True)
        event: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        _pending.append((event, host, sizes))


def raise_pending(wait: bool = False) -> None:
    """Raises ValueError for the first utterance that an earlier call on the GPU could not use.

    Looks only at calls that the GPU has finished with, unless told to ``wait`` for them all.
    """
    if torch.cuda.is_available() and torch.cuda.is_current_stream_capturing():
        return
    while _pending:
        event, faults, sizes = _pending[0]
        if event is not None and not wait and not event.query():
            return
        if event is not None and wait:
            event.synchronize()
        _pending.popleft()
        for utterance, (fault, found) in enumerate(faults.tolist()):
            if fault:
                raise ValueError(f"utterance {utterance}: {_message(fault, found, *sizes)}")


def _message(fault: int, found: int, frames: int, vocab: int, width: int, blank: int) -> str:
    from dstoolkit.ctc import cuda_rows

    if fault == cuda_rows.FRAMES:
        return f"{found} frames; expected 0 to {frames}, the frames of the logits"
    if fault == cuda_rows.LABELS:
        return f"{found} labels; expected 0 to {width}, the labels of the targets"
    problem = "is the blank" if fault == cuda_rows.LABEL_BLANK else "is out of range"
    return f"label {found} {problem}; expected labels below {vocab}, not the blank {blank}"
