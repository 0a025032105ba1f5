"""One optimizer step: the parts of a batch through the network and back, and what becomes of their gradients.

The gradient is that of the batch's summed losses over its number of target tokens (or utterances, ``loss_per``),
whatever the parts it is computed in and the processes they are shared by. Losses of several outputs are summed with
their weights. Random numbers (dropout) are drawn anew from
the seed, the step and the process, so that going on from a step needs no generator's state.
"""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dstoolkit.errors import ConfigError, DataError
from dstoolkit.interfaces import Loss
from dstoolkit.models import masking
from dstoolkit.models.ctc_model import CTCModel
from dstoolkit.pipeline.experiment import TrainConfig
from dstoolkit.training import consistency
from dstoolkit.training.dataset import Batch, IntArray
from dstoolkit.training.distributed import World
from dstoolkit.training.health import warn
from dstoolkit.training.outlets import Losses, losses

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
OUT_OF_MEMORY = ("out of memory", "can't allocate memory")  # what torch's errors of GPUs and of CPUs say

log = logging.getLogger("dstoolkit")


@dataclass(frozen=True)
class Outcome:
    """``loss`` summed over this process's utterances that have a finite one; ``undefined`` are those whose is NaN.
    ``own``: of the same utterances the sums of each outlet's loss, unweighted.

    ``norm`` is the gradient's before clipping, of all processes together, not finite where the step was not taken
    (``taken``); ``scaled`` says that float16's loss scale was too large, which mends itself.
    """

    loss: float
    norm: float
    taken: bool
    scaled: bool
    undefined: IntArray
    own: Sequence[float]


class Step:
    """Takes the steps of one training. ``limit`` is how many frames fit into memory at once, once that was met."""

    def __init__(
        self,
        model: CTCModel,
        loss: Loss,
        optimizer: torch.optim.Optimizer,
        options: TrainConfig,
        device: torch.device,
        seed: int,
        world: World,
    ) -> None:
        self.loss, self.optimizer, self.options = loss, optimizer, options
        self.device, self.seed, self.world = device, seed, world
        self.model = model
        self.parameters = [each for each in model.parameters() if each.requires_grad]
        self.forward = world.wrap(model)
        if options.compile:
            # dynamic=True would take the features' dimension for one that varies, which inductor fails on (torch 2.13).
            self.forward = torch.compile(self.forward)  # type: ignore[assignment]
        self.precision = precision(options.precision, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "float16")
        self.limit = 0

    def state_dict(self) -> dict[str, Any]:
        return {"limit": self.limit, "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.limit = state["limit"]
        self.scaler.load_state_dict(state["scaler"])

    def take(self, number: int, parts: Sequence[Batch], count: int, scales: Sequence[float] = ()) -> Outcome:
        """Step ``number`` on these parts of a batch that has so many tokens, or utterances, in all processes' parts.

        ``scales``: what each output's loss is multiplied by for its gradient; none: 1.
        """
        statistics = [each.clone() for each in self.model.buffers()]
        while True:
            seed_everything(self.seed, number, self.world.rank)
            try:
                outcome = self._attempt([piece for part in parts for piece in self._pieces(part)], count, scales)
                break
            except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
                self._make_do(number, parts, error)
            self._restore(statistics)
            if self.device.type == "cuda":  # now that nothing of the failed attempt is held
                torch.cuda.empty_cache()
        if not outcome.taken:
            self._restore(statistics)  # batch norm may have heard of what no weight has learned from
        return outcome

    def _restore(self, statistics: Sequence[Tensor]) -> None:
        with torch.no_grad():
            for buffer, before in zip(self.model.buffers(), statistics, strict=True):
                buffer.copy_(before)

    def _attempt(self, pieces: Sequence[Batch], count: int, scales: Sequence[float]) -> Outcome:
        self.optimizer.zero_grad(set_to_none=True)
        sums = np.zeros(1 + len(self.model.outlets))
        undefined: list[IntArray] = []
        for at, piece in enumerate(pieces):
            with self._unsynchronised() if at < len(pieces) - 1 else contextlib.nullcontext():
                found = self._losses(piece)
                loss = found.total
                finite = loss.isfinite()  # an infinite loss, of too few frames, has a gradient of 0
                if piece.weight:
                    undefined.append(piece.indices[loss.detach().isnan().cpu().numpy()])
                    sums += found.finite().sum(dim=1).cpu().numpy()
                if finite.any() or self.world.size > 1:
                    share = piece.weight * self.world.size / max(count, 1)  # processes' gradients are averaged
                    wanted = found.scaled(scales)[finite] if scales else loss[finite]
                    self.scaler.scale(wanted.sum() * share).backward()  # type: ignore[no-untyped-call]
        norm, scaled = self._update()
        undefined = [np.zeros(0, np.int64), *undefined]
        total, *own = sums.tolist()
        return Outcome(total, norm, bool(np.isfinite(norm)), scaled, np.concatenate(undefined), own)

    def _losses(self, piece: Batch) -> Losses:
        """The forward pass alone is in reduced precision."""
        if self.world.size > 1:
            masking.idle(self.model, piece.weight == 0)
        batch = consistency.doubled(piece.to(self.device))
        dtype = DTYPES[self.precision]
        with torch.autocast(self.device.type, dtype, enabled=dtype is not torch.float32):
            logits, lengths = self.forward(batch.frames, batch.lengths)
        found = losses(self.model, self.loss, logits, lengths, batch)
        if piece.second is None:
            return found
        return consistency.joined(found, logits, lengths, self.options.consistency)

    def _unsynchronised(self) -> contextlib.AbstractContextManager[None]:
        """Gradients are kept here and not added up yet."""
        inner = getattr(self.forward, "_orig_mod", self.forward)  # of a compiled module
        if isinstance(inner, nn.parallel.DistributedDataParallel):
            return inner.no_sync()
        return contextlib.nullcontext()

    def _update(self) -> tuple[float, bool]:
        """Clip and take the step, where the gradient is finite; its norm, and whether the loss scale was too large."""
        if all(each.grad is None for each in self.parameters):
            return float("nan"), False
        self.scaler.unscale_(self.optimizer)
        norm = self._clip()
        if self.scaler.is_enabled():
            self.scaler.step(self.optimizer)  # skips what is not finite
            before = self.scaler.get_scale()
            self.scaler.update()
            return norm, not np.isfinite(norm) and 1 <= self.scaler.get_scale() < before
        if np.isfinite(norm):
            self.optimizer.step()
        return norm, False

    def _clip(self) -> float:
        """Clip the gradient's values, then its norm; the norm before. What is not finite stays so, to be seen."""
        if not self.options.clip_value:
            return float(nn.utils.clip_grad_norm_(self.parameters, self.options.clip or float("inf")))
        norm = float(nn.utils.clip_grad_norm_(self.parameters, float("inf")))
        if np.isfinite(norm):
            nn.utils.clip_grad_value_(self.parameters, self.options.clip_value)
            if self.options.clip:
                nn.utils.clip_grad_norm_(self.parameters, self.options.clip)
        return norm

    def _pieces(self, part: Batch) -> Iterator[Batch]:
        """The part, in halves of halves as small as ``limit``, but of one utterance at least."""
        if not self.limit or part.size <= self.limit or len(part) < 2:
            yield part
            return
        for half in part.halves():
            yield from self._pieces(half)

    def _make_do(self, number: int, parts: Sequence[Batch], error: BaseException) -> None:
        """After running out of memory: a lower limit. Raises the error where it is another or nothing is left to split,
        as DataError where that helps the user."""
        if not isinstance(error, MemoryError) and not any(each in str(error) for each in OUT_OF_MEMORY):
            raise error
        pieces = [piece for part in parts for piece in self._pieces(part)]
        largest = max((piece for piece in pieces if len(piece) > 1), key=lambda piece: piece.size, default=None)
        size = "train.batches.size" if self.options.batches.size else "train.batch_seconds"
        advice = f"lower {size} or raise train.accumulate; train.max_seconds leaves long utterances out"
        if largest is None or self.world.size > 1:  # the others wait for this process's sums
            raise DataError(f"step {number}", "out of memory", "", advice) from error
        self.limit = 2 * largest.size // 3  # the batches of like size to come need not be tried whole
        self.optimizer.zero_grad(set_to_none=True)
        warn(
            f"step {number}: out of memory with {len(largest)} utterances of {largest.size} frames: such batches are "
            f"computed in halves from now on; {advice}"
        )


def seed_everything(seed: int, step: int, rank: int) -> None:
    """Seed torch's generators, on all devices, and those of Python and NumPy, which a plugin may draw from."""
    state = int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0])
    torch.manual_seed(state)
    random.seed(state)
    np.random.seed(state % 2**32)


def precision(asked: str, device: torch.device) -> str:
    """What the device is to compute in. Raises ConfigError for what it cannot do; says what it does slowly."""
    if asked == "float16" and device.type == "cpu":
        raise ConfigError("train.precision", "'float16' on a CPU", "", "use bfloat16 or float32")
    if asked == "auto":
        found = "bfloat16" if has_bfloat16(device) else "float32"
        log.info("train.precision auto: %s", found)
        return found
    if asked == "bfloat16" and device.type == "cpu" and not has_bfloat16(device):
        warn("this CPU has no bfloat16 arithmetic: train.precision float32 is faster")
    return asked


def has_bfloat16(device: torch.device) -> bool:
    """Whether there are instructions for it: AVX512-BF16 (which all CPUs with AMX have too), or a GPU since Ampere."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
