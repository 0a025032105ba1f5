"""How well a model does on a held-out set: loss, WER, CER and predictions beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dstoolkit.interfaces import Decoder, Loss
from dstoolkit.models.ctc_model import CTCModel
from dstoolkit.scoring.wer import score
from dstoolkit.training.dataset import Batch, Dataset, IntArray
from dstoolkit.training.distributed import World
from dstoolkit.training.loading import Plan, stream


@dataclass(frozen=True)
class Validation:
    """``loss`` in nats per target token, error rates in percent, ``hypotheses`` and ``references`` by utterance id."""

    loss: float
    wer: float
    cer: float
    hypotheses: dict[str, str]
    references: dict[str, str]


@dataclass(frozen=True)
class _Part:
    """What one batch gave: the summed loss, its tokens, and a text per utterance id."""

    loss: float
    tokens: int
    texts: dict[str, str]


@torch.no_grad()
def validate(
    model: CTCModel,
    dataset: Dataset,
    loss: Loss,
    decoder: Decoder,
    batches: Sequence[IntArray],
    world: World | None = None,
) -> Validation:
    """Run ``model`` (in eval mode) over these ``batches`` of ``dataset``, which processes share.

    Texts are in the order of the batches.
    """
    world = world or World()
    device = next(model.parameters()).device
    plans = [Plan(indices) for indices in batches]
    with stream(dataset, plans[world.rank :: world.size], 0, device) as heard:
        own = [_part(model, dataset, loss, decoder, batch.to(device)) for batch in heard]
    parts = world.gather(own)
    ordered = [parts[at % world.size][at // world.size] for at in range(len(plans))]  # the same sum in any world
    hypotheses = {name: text for part in ordered for name, text in part.texts.items()}
    references = dict(zip(dataset.archive.utterance_ids, dataset.texts, strict=True))
    references = {each: references[each] for each in hypotheses}
    report = score(references, hypotheses)
    total, tokens = sum(part.loss for part in ordered), sum(part.tokens for part in ordered)
    return Validation(total / max(tokens, 1), 100 * report.wer.rate, 100 * report.cer.rate, hypotheses, references)


def _part(model: CTCModel, dataset: Dataset, loss: Loss, decoder: Decoder, batch: Batch) -> _Part:
    logits, lengths = model(batch.frames, batch.lengths)
    losses: Tensor = loss(logits.float(), lengths, batch.targets, batch.target_lengths)
    found = decoder.decode(logits.float().log_softmax(2).cpu(), lengths.cpu(), 1.0)
    texts = [best[0].text if best else "" for best in found]
    names = dataset.names(batch.indices)
    finite = float(losses[losses.isfinite()].sum())
    return _Part(finite, int(batch.target_lengths.sum()), dict(zip(names, texts, strict=True)))
