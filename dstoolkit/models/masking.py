"""What padded batches need: masks, frame-wise batch normalisation that ignores padding, reversal within lengths.

Batches are ``(batch, frames, dim)`` with ``lengths`` ``(batch,)``; frames at or beyond an utterance's length are
padding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

LIMITS = 3.0, 5.0  # how far batch renormalisation goes: r within 1/3 to 3, d within -5 to 5 (Ioffe 2017, section 4)
# Batches: up to the first there is none of it, as running statistics must settle; from the second on all of it.
RAMP = 200, 1000


def frame_mask(lengths: Tensor, frames: int) -> Tensor:
    """``(batch,)`` -> ``(batch, frames)``, true on the utterance's own frames."""
    return torch.arange(frames, device=lengths.device)[None, :] < lengths[:, None]


def zero_padding(batch: Tensor, lengths: Tensor) -> Tensor:
    """The batch with its padding set to 0, whatever it held (NaN too)."""
    return batch.masked_fill(~frame_mask(lengths, batch.shape[1])[:, :, None], 0.0)


def reversal(lengths: Tensor, frames: int) -> Tensor:
    """``(batch, frames)`` indices that reverse each utterance within its own length and leave padding where it is."""
    position = torch.arange(frames, device=lengths.device)[None, :]
    return torch.where(position < lengths[:, None], lengths[:, None] - 1 - position, position)


def take_frames(batch: Tensor, index: Tensor) -> Tensor:
    """``batch[b, index[b, t]]`` as ``(batch, frames, dim)``, for an ``index`` of ``reversal``'s."""
    taken: Tensor = _Take.apply(batch, index)  # type: ignore[no-untyped-call]
    return taken


class _Take(torch.autograd.Function):
    """A reversal undoes itself, so its gradient is the gradient reversed. Rows are copied whole: on a CPU that takes a
    fraction of ``gather``'s time, and of that of ``scatter_add``, its derivative."""

    @staticmethod
    def forward(ctx: Any, batch: Tensor, index: Tensor) -> Tensor:
        first = torch.arange(len(batch), device=index.device)[:, None] * batch.shape[1]
        rows = (index + first).flatten()
        ctx.save_for_backward(rows)
        return batch.reshape(-1, batch.shape[2]).index_select(0, rows).view_as(batch)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (rows,) = ctx.saved_tensors
        return gradient.reshape(-1, gradient.shape[2]).index_select(0, rows).view_as(gradient), None


class MaskedBatchNorm(nn.Module):
    """Batch normalisation over all the utterances' frames, without padding (Ioffe & Szegedy 2015; sequence-wise as in
    Laurent et al. 2016 and Deep Speech 2). Padding, which must be finite, comes out as 0.

    Batches hold utterances of like length, whose statistics are not those of all speech: short ones are other words, by
    other speakers. What is learned under a batch's own statistics is misheard under the running ones. After the first
    batches the running ones therefore count in training too, by batch renormalisation (Ioffe 2017, "Batch
    renormalization", arXiv:1702.03275): a batch's frames are normalised by its own, then scaled by r and shifted by d
    to where the running ones would have put them, as far as ``LIMITS`` allow, and gradients take r and d for constants.

    ``group``: the processes of ``torch.distributed`` whose frames count together; None: this one's alone. ``idle``:
    this process's batch stands in for none; it counts for nothing, but the others are not kept waiting. Statistics are
    float32 under autocast, and the same bits in every process. Copies and pickles have no group.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dim)
        self.group: ProcessGroup | None = None
        self.idle = False

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "group": None}

    def forward(self, batch: Tensor, lengths: Tensor) -> Tensor:
        """``(batch, frames, dim)`` -> the same shape."""
        flat = batch.reshape(-1, batch.shape[2])
        own = frame_mask(lengths, batch.shape[1]).flatten()
        if not self.training:
            output: Tensor = self.norm(flat) * own[:, None].to(flat.dtype)
            return output.view_as(batch)
        weight, bias = self.norm.weight, self.norm.bias
        mask = own.to(weight.dtype) * (0.0 if self.idle else 1.0)
        with torch.autocast(batch.device.type, enabled=False):
            found = _Normalise.apply(flat, mask, weight, bias, *self._running(), self.norm.eps, self.group)  # type: ignore[no-untyped-call]
            output, *statistics = found
            self._track(*statistics)
        return output.view_as(batch)

    def _running(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The running mean and variance, and how large r, from 1, and d, from 0, may be by now."""
        running = dict(self.norm.named_buffers())
        seen = running["num_batches_tracked"].to(self.norm.weight.dtype)
        share = ((seen - RAMP[0]) / (RAMP[1] - RAMP[0])).clamp(0, 1)
        largest = (1 + share * (LIMITS[0] - 1), share * LIMITS[1])
        return running["running_mean"], running["running_var"], *largest

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Running statistics, as torch's; one frame has no variance, and changes nothing."""
        share = (count > 1).to(count.dtype) * (self.norm.momentum or 0.0)
        running = dict(self.norm.named_buffers())
        running["num_batches_tracked"].add_(1)
        running["running_mean"].lerp_(mean, share)
        running["running_var"].lerp_(variance * count / (count - 1).clamp(min=1), share)


def synchronise(model: nn.Module, group: ProcessGroup | None) -> None:
    """Let the batch norms of ``model`` count the frames of all of ``group``'s processes; None: of this one alone."""
    for module in model.modules():
        if isinstance(module, MaskedBatchNorm):
            module.group = group


def idle(model: nn.Module, value: bool) -> None:
    """Say whether this process's next batch is only a stand-in, which the statistics of the group shall ignore."""
    for module in model.modules():
        if isinstance(module, MaskedBatchNorm):
            module.idle = value


class _Normalise(torch.autograd.Function):
    """Frames ``(n, dim)`` to mean 0 and variance 1 where the ``mask`` ``(n,)`` is 1, and 0 where it is 0; renormalised.

    With c = mask (x - mean), q = 1 / sqrt(variance + eps) and N frames in all processes: y = mask (w (r q c + d) + b),
    and dx = mask w r q (g - sum(g) / N - c q^2 sum(g c) / N), whose sums run over all processes (Ioffe & Szegedy 2015,
    section 3; Ioffe 2017, section 3). Sums by a mask are matrix products and what can be done in place is: on a CPU
    that takes no longer than choosing the frames, whose number a GPU would have to wait for.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        mask: Tensor,
        weight: Tensor,
        bias: Tensor,
        usual: Tensor,
        spread: Tensor,
        largest: Tensor,
        farthest: Tensor,
        eps: float,
        group: ProcessGroup | None,
    ) -> tuple[Tensor, ...]:
        x32 = x.to(weight.dtype)
        count, sums = _total(group, mask.sum()[None], mask @ x32)
        many = count.clamp(min=1)
        mean = sums / many
        centred = (x32 - mean).mul_(mask[:, None])
        scaled = centred.square()
        variance = _total(group, mask @ scaled)[0] / many
        rate = (variance + eps).rsqrt()
        usual_rate = (spread + eps).rsqrt()
        stretch = (usual_rate / rate).clamp(1 / largest, largest)
        shift = ((mean - usual) * usual_rate).clamp(-farthest, farthest)
        torch.mul(centred, weight * stretch * rate, out=scaled)
        ctx.group = group
        ctx.save_for_backward(centred, mask, weight, rate, many, stretch, shift)
        ctx.mark_non_differentiable(mean, variance, count)
        return scaled.addcmul_(mask[:, None], bias + weight * shift).to(x.dtype), mean, variance, count

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        centred, mask, weight, rate, many, stretch, shift = ctx.saved_tensors
        with torch.autocast(gradient.device.type, enabled=False):
            g = gradient.to(weight.dtype)
            work = g * centred
            level, scale = mask @ g, mask @ work
            everywhere, slope = _total(ctx.group, level, scale)
            torch.sub(g, everywhere / many, out=work)
            work.addcmul_(centred, -rate.square() * slope / many)
            work.mul_(weight * stretch * rate).mul_(mask[:, None])
        return work.to(gradient.dtype), None, stretch * rate * scale + shift * level, level, *[None] * 6


def _total(group: ProcessGroup | None, *sums: Tensor) -> tuple[Tensor, ...]:
    """Each vector's sum over the processes of the group, by one exchange."""
    if group is None:
        return sums
    flat = torch.cat(sums)
    dist.all_reduce(flat, group=group)
    return torch.split(flat, [len(each) for each in sums])


class SequenceDropout(nn.Module):
    """Dropout whose mask stays the same over an utterance's frames (Gal & Ghahramani 2016).

    It suits recurrent layers better than a fresh mask per frame, and draws ``frames`` times fewer random numbers, whose
    drawing was 7 % of a training step on a CPU.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, batch: Tensor) -> Tensor:
        if not self.training or self.probability == 0:
            return batch
        ones = batch.new_ones(batch.shape[0], 1, batch.shape[2])
        return batch * nn.functional.dropout(ones, self.probability)
