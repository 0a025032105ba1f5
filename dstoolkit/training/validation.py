"""How well a model does on a held-out set: loss, WER, CER and predictions beside the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from dstoolkit.interfaces import Decoder, Loss
from dstoolkit.models.ctc_model import CTCModel
from dstoolkit.scoring.wer import score
from dstoolkit.training.dataset import Batch, Dataset, IntArray
from dstoolkit.training.distributed import World
from dstoolkit.training.loading import Plan, stream
from dstoolkit.training.outlets import by_name, losses


@dataclass(frozen=True)
class Figures:
    """``loss`` in nats per target token, error rates in percent."""

    loss: float
    wer: float
    cer: float


@dataclass(frozen=True)
class Validation(Figures):
    """With ``hypotheses`` and ``references`` by utterance id; ``sample`` are the figures of some of them alone.

    The loss of a model with outlets is their weighted sum, and ``own`` has each one's, as the metrics call it.
    """

    hypotheses: dict[str, str]
    references: dict[str, str]
    sample: Figures | None = None
    own: Mapping[str, float] = field(default_factory=dict)

    @property
    def compared(self) -> tuple[float, float]:
        """WER and loss that say which of several validations is the better: the sample's, where there is one."""
        figures = self.sample or self
        return figures.wer, figures.loss

    def metrics(self) -> dict[str, float]:
        """For a line of ``metrics.jsonl``."""
        found = {"dev_loss": self.loss, **self.own, "dev_wer": self.wer, "dev_cer": self.cer}
        if self.sample is not None:
            found |= {"sample_loss": self.sample.loss, "sample_wer": self.sample.wer, "sample_cer": self.sample.cer}
        return found


@dataclass(frozen=True)
class _Row:
    """What one utterance gave: its loss and each outlet's, 0 where it is not finite, its target tokens, its text."""

    loss: float
    own: Sequence[float]
    tokens: int
    text: str


@torch.no_grad()
def validate(
    model: CTCModel,
    dataset: Dataset,
    loss: Loss,
    decoder: Decoder,
    batches: Sequence[IntArray],
    world: World | None = None,
    sample: IntArray | None = None,
) -> Validation:
    """Run ``model`` (in eval mode) over these ``batches`` of ``dataset``, which processes share.

    Texts are in the order of the batches. The utterances ``sample``, some of them, have figures of their own too.
    """
    world = world or World()
    device = next(model.parameters()).device
    plans = [Plan(indices) for indices in batches]
    with stream(dataset, plans[world.rank :: world.size], 0, device) as prepared:
        own = [_rows(model, dataset, loss, decoder, batch.to(device)) for batch in prepared]
    parts = world.gather(own)
    ordered = [parts[at % world.size][at // world.size] for at in range(len(plans))]  # the same sum in any world
    rows = {name: row for part in ordered for name, row in part.items()}
    texts = dict(zip(dataset.archive.utterance_ids, dataset.texts, strict=True))
    references = {name: texts[name] for name in rows}
    whole = figures(rows, references)
    sampled = None
    if sample is not None:
        sampled = figures({name: rows[name] for name in dataset.names(sample)}, references)
    hypotheses = {name: row.text for name, row in rows.items()}
    return Validation(whole.loss, whole.wer, whole.cer, hypotheses, references, sampled, own_losses(model, rows))


def spread(batches: Sequence[IntArray], lengths: IntArray, count: int) -> IntArray:
    """``count`` of the utterances of ``batches``, or all there are, evenly from the shortest to the longest."""
    everyone = np.sort(np.concatenate(batches))
    everyone = everyone[np.argsort(lengths[everyone], kind="stable")]
    count = min(count, len(everyone))
    chosen: IntArray = everyone[((np.arange(count) + 0.5) * len(everyone) / count).astype(int)]
    return chosen


def only(batches: Sequence[IntArray], sample: IntArray) -> list[IntArray]:
    """The batches without utterances that are not of the sample."""
    kept = (batch[np.isin(batch, sample)] for batch in batches)
    return [batch for batch in kept if len(batch)]


def figures(rows: Mapping[str, _Row], references: Mapping[str, str]) -> Figures:
    report = score({name: references[name] for name in rows}, {name: row.text for name, row in rows.items()})
    total, tokens = sum(row.loss for row in rows.values()), sum(row.tokens for row in rows.values())
    return Figures(total / max(tokens, 1), 100 * report.wer.rate, 100 * report.cer.rate)


def own_losses(model: CTCModel, rows: Mapping[str, _Row]) -> Mapping[str, float]:
    """Each outlet's loss per token, as the metrics call it."""
    sums = [sum(each) for each in zip(*(row.own for row in rows.values()), strict=True)]
    return by_name("dev", model, sums, sum(row.tokens for row in rows.values()))


def _rows(model: CTCModel, dataset: Dataset, loss: Loss, decoder: Decoder, batch: Batch) -> dict[str, _Row]:
    """By utterance id."""
    logits, lengths = (model.every if model.outlets else model)(batch.frames, batch.lengths)
    first, counts = (each if isinstance(each, Tensor) else each[0] for each in (logits, lengths))
    found = decoder.decode(first.float().log_softmax(2).cpu(), counts.cpu(), 1.0)
    finite, *own = losses(model, loss, logits, lengths, batch).finite().tolist()
    texts = [best[0].text if best else "" for best in found]
    each_own = zip(*own, strict=True) if own else ((),) * len(texts)
    rows = map(_Row, finite, each_own, batch.target_lengths.tolist(), texts)
    return dict(zip(dataset.names(batch.indices), rows, strict=True))
