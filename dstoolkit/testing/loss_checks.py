"""The contract of losses: CTC's value and gradient, against the float64 reference, and what padding must not do.

Logits are seeded noise, ``(4, 12, 6)``; the targets include repeats, an empty one and one that just fits its frames.
A loss that is not CTC names ``equals_the_reference`` and ``gradient_equals_the_reference`` in ``expected_failures``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dstoolkit.ctc import reference
from dstoolkit.interfaces import BLANK
from dstoolkit.testing.checks import Subject, check, require

FRAMES, VOCAB = 12, 6
LENGTHS = (12, 9, 7, 5)
TARGETS = ((1, 2, 3), (4, 4, 5, 1), (), (2, 2, 2))  # the last needs 5 frames: a blank between equal labels
GARBAGE = 1e3


def build(subject: Subject) -> Any:
    return subject.cls(subject.config, BLANK)


def batch(padding: float = 0.0, label: int = 0, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits, their lengths, targets padded with ``label``, their lengths; garbage of that loudness in the padding."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(len(LENGTHS), FRAMES, VOCAB, generator=generator)
    for row, length in zip(logits, LENGTHS, strict=True):
        row[length:] = padding * torch.randn(FRAMES - length, VOCAB, generator=generator)
    targets = torch.full((len(TARGETS), max(map(len, TARGETS))), label)
    for row, target in zip(targets, TARGETS, strict=True):
        row[: len(target)] = torch.tensor(target)
    return logits.requires_grad_(), torch.tensor(LENGTHS), targets, torch.tensor([len(each) for each in TARGETS])


def gradient(losses: Tensor, logits: Tensor) -> Tensor:
    """Of the sum of the losses that are finite, as a trainer takes it."""
    return torch.autograd.grad(losses[torch.isfinite(losses)].sum(), logits)[0]


@check("losses")
def one_loss_per_utterance(subject: Subject) -> None:
    """``(batch,)``, finite and not negative on feasible targets."""
    losses = build(subject)(*batch())
    require(tuple(losses.shape) == (len(LENGTHS),), f"shape {tuple(losses.shape)}; expected ({len(LENGTHS)},)")
    require(bool(torch.isfinite(losses).all()), f"{losses.tolist()} on feasible targets")
    require(bool((losses >= 0).all()), f"{losses.tolist()}: negative")


@check("losses")
def equals_the_reference(subject: Subject) -> None:
    """The CTC loss in nats, to 1e-4, an empty target included."""
    for seed in range(3):
        losses = build(subject)(*batch(seed=seed)).tolist()
        for found, logits, length, target in zip(losses, batch(seed=seed)[0], LENGTHS, TARGETS, strict=True):
            wanted = reference.ctc_loss(logits[:length].detach().double().numpy(), target, BLANK)
            require(abs(found - wanted) <= 1e-4 * max(1.0, wanted), f"{found:.6f} for {target}, not {wanted:.6f}")


@check("losses")
def gradient_equals_the_reference(subject: Subject) -> None:
    """The gradient with respect to the logits, to 1e-4, weighted per utterance."""
    logits, *rest = batch()
    weights = torch.tensor([1.0, 0.5, 2.0, 3.0])
    found = torch.autograd.grad((weights * build(subject)(logits, *rest)).sum(), logits)[0]
    for at, (length, target) in enumerate(zip(LENGTHS, TARGETS, strict=True)):
        _, wanted = reference.ctc_loss_and_gradient(logits[at, :length].detach().double().numpy(), target, BLANK)
        gap = (found[at, :length].double() - weights[at] * torch.from_numpy(wanted)).abs().max().item()
        require(gap <= 1e-4, f"off by {gap:.2g} for {target}")


@check("losses")
def padding_is_ignored(subject: Subject) -> None:
    """Garbage beyond the lengths, in logits and targets, changes nothing, and gets a gradient of exactly 0."""
    plain, garbage = batch(), batch(GARBAGE, label=VOCAB - 1)
    with torch.no_grad():
        garbage[0][:] = torch.where(padding_mask()[:, :, None], garbage[0], plain[0])
    losses, others = build(subject)(*plain), build(subject)(*garbage)
    require(torch.allclose(losses, others, rtol=1e-5), f"{others.tolist()} with garbage, {losses.tolist()} without")
    for found, logits in ((losses, plain[0]), (others, garbage[0])):
        require(not gradient(found, logits)[padding_mask()].any(), "padding frames get a gradient other than 0")


def padding_mask() -> Tensor:
    """``(batch, frames)``, true on padding."""
    return torch.arange(FRAMES)[None, :] >= torch.tensor(LENGTHS)[:, None]


@check("losses")
def infeasible_is_infinite(subject: Subject) -> None:
    """A target that its frames cannot emit costs infinity, alone, and leaves all gradients finite."""
    logits, lengths, targets, target_lengths = batch()
    lengths = lengths.clone()
    lengths[3] = 4  # 2 2 2 needs 5
    losses = build(subject)(logits, lengths, targets, target_lengths)
    require(losses[3].item() == float("inf"), f"{losses[3].item()} for 2 2 2 in 4 frames; expected inf")
    require(bool(torch.isfinite(losses[:3]).all()), f"{losses.tolist()}: the others suffer")
    require(bool(torch.isfinite(gradient(losses, logits)).all()), "its gradient is not finite")


@check("losses")
def extremes_stay_finite(subject: Subject) -> None:
    """Logits of +-1000 overflow nothing."""
    logits, *rest = batch()
    loud = (500 * logits).clamp(-1000, 1000).detach().requires_grad_()
    losses = build(subject)(loud, *rest)
    require(bool(torch.isfinite(losses).all()), f"{losses.tolist()} for logits of +-1000")
    require(bool(torch.isfinite(gradient(losses, loud)).all()), "the gradient is not finite")


@check("losses")
def batch_order_invariance(subject: Subject) -> None:
    """The same utterances in another order cost the same."""
    logits, *rest = batch()
    order = torch.tensor([2, 0, 3, 1])
    losses = build(subject)(logits, *rest)
    others = build(subject)(logits[order], *(each[order] for each in rest))
    require(torch.allclose(losses[order], others, rtol=1e-5), "losses depend on the order")
