"""What a CTC batch must be like: checked before any kernel runs, in words that name the utterance."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dstoolkit.compiled import kernel

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def check_shapes(logits: Tensor, logit_lengths: Tensor, targets: Tensor, target_lengths: Tensor, blank: int) -> None:
    """Types, shapes and the blank, which no device need be asked for. Raises TypeError or ValueError."""
    if logits.dtype not in FLOATS:
        raise TypeError(f"logits are {logits.dtype}; expected floats")
    for name, integers in (
        ("logit_lengths", logit_lengths),
        ("targets", targets),
        ("target_lengths", target_lengths),
    ):
        if integers.dtype not in INTEGERS:
            raise TypeError(f"{name} are {integers.dtype}; expected integers")
    if logits.dim() != 3 or not logits.shape[2]:
        raise ValueError(f"logits have the shape {tuple(logits.shape)}; expected (batch, frames, vocab)")
    batch, _, vocab = logits.shape
    for name, lengths in (("logit_lengths", logit_lengths), ("target_lengths", target_lengths)):
        if lengths.shape != (batch,):
            raise ValueError(f"{name} have the shape {tuple(lengths.shape)}; expected ({batch},)")
    if targets.dim() not in (1, 2) or (targets.dim() == 2 and targets.shape[0] != batch):
        raise ValueError(f"targets have the shape {tuple(targets.shape)}; expected ({batch}, max_target) or (sum,)")
    if not 0 <= blank < vocab:
        raise ValueError(f"blank {blank} is out of range; expected 0 to {vocab - 1}")


def check_values(logits: Tensor, logit_lengths: Tensor, targets: Tensor, target_lengths: Tensor, blank: int) -> None:
    """Lengths and labels on the CPU, ``targets`` padded. Raises ValueError that names the first faulty utterance."""
    _, frames, vocab = logits.shape
    lengths, labels, counts = logit_lengths.numpy(), targets.numpy(), target_lengths.numpy()
    at = faulty(lengths, labels, counts, blank, frames, vocab)
    if at < 0:
        return
    for name, length, limit in (("frames", lengths[at], frames), ("labels", counts[at], labels.shape[1])):
        if not 0 <= length <= limit:
            raise ValueError(f"utterance {at}: length of {length} {name}; expected 0 to {limit}")
    wrong = next(each for each in labels[at, : counts[at]].tolist() if each == blank or not 0 <= each < vocab)
    raise ValueError(fault(at, wrong, vocab, blank))


@kernel
def faulty(lengths: Any, labels: Any, counts: Any, blank: int, frames: int, vocab: int) -> int:
    """The first utterance with a length or label that cannot be; -1 where there is none."""
    for b in range(len(lengths)):
        if lengths[b] < 0 or lengths[b] > frames or counts[b] < 0 or counts[b] > labels.shape[1]:
            return b
        for i in range(counts[b]):
            if labels[b, i] < 0 or labels[b, i] >= vocab or labels[b, i] == blank:
                return b
    return -1


def fault(utterance: int, label: int, vocab: int, blank: int) -> str:
    if label == blank:
        return f"utterance {utterance}: label {label} is the blank; expected labels without it"
    return f"utterance {utterance}: label {label} is out of range; expected labels below {vocab}"


def padded(targets: Tensor, target_lengths: Tensor) -> Tensor:
    """Concatenated targets ``(sum,)`` as ``(batch, max_target)``, padded with 0.

    Reads the lengths on the host: on a GPU that waits for it, so padded targets are better there. Raises ValueError
    where the lengths do not add up.
    """
    lengths = target_lengths.tolist()
    for at, length in enumerate(lengths):
        if length < 0:
            raise ValueError(f"utterance {at}: length of {length} labels; expected 0 or more")
    if sum(lengths) != len(targets):
        raise ValueError(f"targets have {len(targets)} labels; target_lengths add up to {sum(lengths)}")
    if not lengths:
        return targets.reshape(0, 0)
    return torch.nn.utils.rnn.pad_sequence(list(torch.split(targets, lengths)), batch_first=True)


def required_frames(targets: Tensor, target_lengths: Tensor) -> Tensor:
    """The fewest frames that can emit each target: its labels, and a blank between equal neighbours. ``(batch,)``."""
    own = torch.arange(1, max(1, targets.shape[1]), device=targets.device)[None, :] < target_lengths[:, None]
    repeats = (targets[:, 1:] == targets[:, :-1]) & own
    return target_lengths + repeats.sum(dim=1)
