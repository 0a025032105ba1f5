"""How well a model does on a held-out set: loss, WER, CER and predictions beside the truth."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dstoolkit.interfaces import Decoder, Loss
from dstoolkit.models.ctc_model import CTCModel
from dstoolkit.scoring.wer import score
from dstoolkit.training.dataset import Dataset


@dataclass(frozen=True)
class Validation:
    """``loss`` in nats per target token, error rates in percent, ``hypotheses`` and ``references`` by utterance id."""

    loss: float
    wer: float
    cer: float
    hypotheses: dict[str, str]
    references: dict[str, str]


@torch.no_grad()
def validate(model: CTCModel, dataset: Dataset, loss: Loss, decoder: Decoder, budget: int) -> Validation:
    """Run ``model`` (in eval mode) over ``dataset`` in batches of at most ``budget`` frames."""
    device = next(model.parameters()).device
    total, tokens = 0.0, 0
    hypotheses: dict[str, str] = {}
    for indices in dataset.plan(budget, None):
        batch = dataset.batch(indices).to(device)
        logits, lengths = model(batch.frames, batch.lengths)
        losses = loss(logits.float(), lengths, batch.targets, batch.target_lengths)
        total += float(losses[losses.isfinite()].sum())
        tokens += int(batch.target_lengths.sum())
        found = decoder.decode(logits.float().log_softmax(2).cpu(), lengths.cpu(), 1.0)
        for at, best in zip(indices.tolist(), found, strict=True):
            hypotheses[dataset.archive.utterance_ids[at]] = best[0].text if best else ""
    references = dict(zip(dataset.archive.utterance_ids, dataset.texts, strict=True))
    references = {each: references[each] for each in hypotheses}
    report = score(references, hypotheses)
    return Validation(total / max(tokens, 1), 100 * report.wer.rate, 100 * report.cer.rate, hypotheses, references)
