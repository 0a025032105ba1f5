"""The contract of encoders: lengths, masking, gradients, saving.

Inputs are seeded noise, ``(4, 80, 40)`` float32; what stands in the padding is either 0 or noise ``GARBAGE`` times as
loud as speech (never NaN: a mask by multiplication is allowed). Outputs are compared on the utterances' own frames
only, to 0.1 %: one batch shape may sum in another order than the next.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from dstoolkit.models.masking import frame_mask
from dstoolkit.testing.checks import Subject, check, require

INPUT_DIM = 40
LENGTHS = (53, 80, 7, 31)  # frames, in no order
GARBAGE = 1e3
LONGEST = 200  # frames, for the arithmetic of lengths


def build(subject: Subject, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return subject.cls(subject.config, INPUT_DIM)


def batch(padding: float = 0.0, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Noise ``(4, 80, INPUT_DIM)`` whose padding is noise of that loudness, and ``LENGTHS``."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor(LENGTHS)
    frames = torch.randn(len(LENGTHS), max(LENGTHS), INPUT_DIM, generator=generator)
    garbage = padding * torch.randn(frames.shape, generator=torch.Generator().manual_seed(seed + 1))
    return torch.where(frame_mask(lengths, frames.shape[1])[:, :, None], frames, garbage), lengths


def own(output: Tensor | Sequence[Tensor], lengths: Tensor | Sequence[Tensor]) -> Tensor:
    """The utterances' own frames, end to end, layer after layer: ``(layers x sum of lengths, dim)``.

    Of outlets, whose dims may differ, the values end to end.
    """
    layers = [output] if isinstance(output, Tensor) else output
    if isinstance(lengths, Tensor):
        return torch.cat([each[frame_mask(lengths, each.shape[1])] for each in layers])
    pairs = zip(layers, lengths, strict=True)
    return torch.cat([each[frame_mask(counts, each.shape[1])].flatten() for each, counts in pairs])


def weights(output: Tensor) -> Tensor:
    """Fixed noise of the output's shape: what a loss's gradient would be."""
    return torch.randn(output.shape, generator=torch.Generator().manual_seed(3))


def require_close(found: Tensor, wanted: Tensor, what: str) -> None:
    require(found.shape == wanted.shape, f"{what}: shape {tuple(found.shape)}, not {tuple(wanted.shape)}")
    gap = (found - wanted).abs().max().item() if found.numel() else 0.0
    require(torch.allclose(found, wanted, rtol=1e-3, atol=1e-4), f"{what}: outputs differ by {gap:.3g}")


def require_finite(values: Tensor, what: str) -> None:
    require(bool(torch.isfinite(values).all()), f"{what}: not finite")


@check("encoders")
def is_a_module(subject: Subject) -> None:
    """A ``torch.nn.Module`` that states how many values an output frame has."""
    encoder = build(subject)
    require(isinstance(encoder, nn.Module), "is no torch.nn.Module; inherit from Encoder and torch.nn.Module")
    dim = getattr(encoder, "output_dim", None)
    require(isinstance(dim, int) and dim > 0, f"output_dim is {dim!r}; expected a positive whole number")


@check("encoders")
@torch.no_grad()
def output_lengths_agree(subject: Subject) -> None:
    """``forward`` gives as many frames as ``output_lengths`` says, each of ``output_dim`` values."""
    encoder = build(subject).eval()
    frames, lengths = batch()
    output, found = encoder(frames, lengths)
    wanted = encoder.output_lengths(lengths)
    require(found.tolist() == wanted.tolist(), f"forward says {found.tolist()}, output_lengths {wanted.tolist()}")
    require(not found.dtype.is_floating_point, f"lengths are {found.dtype}; expected whole numbers")
    require(output.shape[0] == len(lengths), f"{output.shape[0]} outputs for {len(lengths)} utterances")
    require(output.shape[2] == encoder.output_dim, f"{output.shape[2]} values per frame, not {encoder.output_dim}")
    require(output.shape[1] >= int(found.max()), f"{output.shape[1]} output frames, fewer than {int(found.max())}")


@check("encoders")
@torch.no_grad()
def outlets_agree(subject: Subject) -> None:
    """``every`` gives each of the ``outlets``, as long as ``every_lengths`` says, the decoded one first."""
    encoder = build(subject).eval()
    outlets = getattr(encoder, "outlets", ())
    if not outlets:
        return
    frames, lengths = batch()
    outputs, counts = encoder.every(frames, lengths)
    require(len(outputs) == len(outlets), f"every gives {len(outputs)} outputs of {len(outlets)} outlets")
    for outlet, output, found, wanted in zip(outlets, outputs, counts, encoder.every_lengths(lengths), strict=True):
        require(found.tolist() == wanted.tolist(), f"{outlet.name}: every says {found.tolist()}, not {wanted.tolist()}")
        require(output.shape[2] == outlet.dim, f"{outlet.name}: {output.shape[2]} values per frame, not {outlet.dim}")
    require_close(own(outputs[0], counts[0]), own(*encoder(frames, lengths)), f"{outlets[0].name} and forward")
    outputs, counts = encoder.train()(frames, lengths)
    require(len(outputs) == len(counts) == len(outlets), f"forward in training gives {len(outputs)} outputs")


@check("encoders")
def output_lengths_are_sound(subject: Subject) -> None:
    """No length is negative, none falls as the input grows, and none depends on its neighbours in the batch."""
    encoder = build(subject)
    lengths = torch.arange(1, LONGEST + 1)
    together = encoder.output_lengths(lengths).tolist()
    require(min(together) >= 0, f"a length of {min(together)}")
    require(together == sorted(together), "a longer utterance has a shorter output")
    alone = [int(encoder.output_lengths(length[None])[0]) for length in lengths]
    require(alone == together, "a length depends on the others in the batch")


@check("encoders")
@torch.no_grad()
def padding_invariance(subject: Subject) -> None:
    """An utterance alone gives the output it gives in a batch whose padding holds garbage."""
    encoder = build(subject).eval()
    frames, lengths = batch(GARBAGE)
    together, ends = encoder(frames, lengths)
    for at, length in enumerate(LENGTHS):
        alone, end = encoder(frames[at : at + 1, :length], lengths[at : at + 1])
        require(int(end[0]) == int(ends[at]), f"{length} frames: {int(end[0])} frames alone, {int(ends[at])} padded")
        require_close(
            together[at, : ends[at]], alone[0, : end[0]], f"{length} frames alone and padded to {max(LENGTHS)}"
        )


@check("encoders")
def padding_ignored_in_training(subject: Subject) -> None:
    """In training mode too, statistics, outputs and gradients are the same whatever the padding holds."""
    trained = [_train_once(subject, padding) for padding in (0.0, GARBAGE)]
    (output, encoder, gradient), (other_output, other, other_gradient) = trained
    require_close(other_output, output, "with garbage in the padding")
    require_same_buffers(other, encoder, "garbage in the padding")
    require(not gradient.any() and not other_gradient.any(), "padding frames get a gradient")


@check("encoders")
@torch.no_grad()
def padding_amount_ignored_in_training(subject: Subject) -> None:
    """In training mode, without dropout, thirty more frames of padding change neither statistics nor outputs."""
    frames, lengths = batch()
    trained = []
    with mock.patch("torch.nn.functional.dropout", lambda values, *_, **__: values):
        for more in (0, 30):
            encoder = build(subject).train()
            for module in encoder.modules():
                if isinstance(module, nn.RNNBase):
                    module.dropout = 0.0
            trained.append((encoder, *encoder(nn.functional.pad(frames, (0, 0, 0, more)), lengths)))
    (encoder, output, ends), (other, other_output, _) = trained
    require_close(own(other_output, ends), own(output, ends), "with more padding")
    require_same_buffers(other, encoder, "more padding")


def require_same_buffers(found: nn.Module, wanted: nn.Module, what: str) -> None:
    for (name, buffer), (_, other) in zip(found.named_buffers(), wanted.named_buffers(), strict=True):
        require_close(buffer.float(), other.float(), f"buffer {name!r} after {what}")


def _train_once(subject: Subject, padding: float) -> tuple[Tensor, Any, Tensor]:
    """One step in training mode: the output, the encoder after it, and the gradient at the input's padding."""
    encoder = build(subject).train()
    frames, lengths = batch(padding)
    frames.requires_grad_()
    torch.manual_seed(2)  # the same dropout for both
    output, ends = encoder(frames, lengths)
    output = own(output, ends)
    torch.autograd.backward((output * weights(output)).sum())
    assert frames.grad is not None
    return output.detach(), encoder, frames.grad[~frame_mask(lengths, frames.shape[1])]


@check("encoders")
@torch.no_grad()
def batch_order_invariance(subject: Subject) -> None:
    """The same utterances in another order give the same outputs in that order."""
    encoder = build(subject).eval()
    frames, lengths = batch()
    output, ends = encoder(frames, lengths)
    order = torch.tensor([2, 0, 3, 1])
    other, other_ends = encoder(frames[order], lengths[order])
    require(other_ends.tolist() == ends[order].tolist(), "lengths depend on the order")
    require_close(own(other, other_ends), own(output[order], ends[order]), "in another order")


@check("encoders")
def gradients_are_finite(subject: Subject) -> None:
    """Every parameter gets a gradient, finite everywhere."""
    encoder = build(subject).train()
    output, ends = encoder(*batch())
    kept = own(output, ends)
    torch.autograd.backward((kept * weights(kept)).sum())
    for name, parameter in encoder.named_parameters():
        if parameter.requires_grad:
            require(parameter.grad is not None, f"parameter {name!r} gets no gradient")
            require_finite(parameter.grad, f"gradient of {name!r}")


@check("encoders")
def silence_stays_finite(subject: Subject) -> None:
    """Frames that are all 0 give finite outputs and gradients, in training and after."""
    encoder = build(subject).train()
    _, lengths = batch()
    silence = torch.zeros(len(LENGTHS), max(LENGTHS), INPUT_DIM)
    output, ends = encoder(silence, lengths)
    require_finite(own(output, ends), "output of silence in training")
    torch.autograd.backward(own(output, ends).sum())
    for name, parameter in encoder.named_parameters():
        if parameter.grad is not None:
            require_finite(parameter.grad, f"gradient of {name!r} on silence")
    output, ends = encoder.eval()(silence, lengths)
    require_finite(own(output, ends), "output of silence")


@check("encoders")
@torch.no_grad()
def short_utterances_work(subject: Subject) -> None:
    """An utterance of one frame, alone or beside a long one, raises nothing and stays finite."""
    encoder = build(subject).eval()
    for frames in (1, 2, 3):
        output, ends = encoder(torch.ones(1, frames, INPUT_DIM), torch.tensor([frames]))
        require_finite(own(output, ends), f"output of {frames} frames")
    output, ends = encoder(torch.ones(2, 60, INPUT_DIM), torch.tensor([1, 60]))
    require_finite(own(output, ends), "output of 1 frame beside 60")


@check("encoders")
@torch.no_grad()
def depends_on_its_input(subject: Subject) -> None:
    """Two different utterances give different outputs."""
    encoder = build(subject).eval()
    first, ends = encoder(*batch(seed=1))
    second, _ = encoder(*batch(seed=9))
    require(not torch.equal(own(first, ends), own(second, ends)), "two different inputs give one output")


@check("encoders")
@torch.no_grad()
def eval_is_deterministic(subject: Subject) -> None:
    """Out of training, the same input gives the same bits."""
    encoder = build(subject).eval()
    first, ends = encoder(*batch())
    second, _ = encoder(*batch())
    require(torch.equal(own(first, ends), own(second, ends)), "the same input gives two outputs")


@check("encoders")
@torch.no_grad()
def state_dict_round_trip(subject: Subject) -> None:
    """Saved and loaded safely (``weights_only``), a fresh encoder gives the same bits: nothing is kept elsewhere."""
    encoder, fresh = build(subject).train(), build(subject, seed=5).eval()
    encoder(*batch())  # so that running statistics are no longer the initial ones
    saved = io.BytesIO()
    torch.save(encoder.eval().state_dict(), saved)
    fresh.load_state_dict(torch.load(io.BytesIO(saved.getvalue()), weights_only=True))
    wanted, ends = encoder(*batch())
    require(torch.equal(own(fresh(*batch())[0], ends), own(wanted, ends)), "a loaded encoder gives another output")


@check("encoders")
@torch.no_grad()
def can_be_pickled(subject: Subject) -> None:
    """Workers of other processes get it by pickle."""
    encoder = build(subject).eval()
    wanted, ends = encoder(*batch())
    copy = pickle.loads(pickle.dumps(encoder))
    require(torch.equal(own(copy(*batch())[0], ends), own(wanted, ends)), "an unpickled encoder gives another output")
