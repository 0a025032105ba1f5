"""Best-path decoding: the likeliest token of each frame, repeats merged, blanks dropped (Graves et al. 2006, 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dstoolkit.decoding.words import group_words
from dstoolkit.interfaces import BLANK, Decoder, Hypothesis, Tokenizer


@dataclass(frozen=True)
class GreedyConfig:
    """Greedy decoding has no options."""


class Greedy(Decoder):
    """One hypothesis per utterance. Its score is the best path's log-probability; a token's confidence is the mean
    probability of the frames it was merged from."""

    name = "greedy"
    Config = GreedyConfig

    def __init__(self, config: GreedyConfig, tokenizer: Tokenizer) -> None:
        self.config, self.tokenizer = config, tokenizer

    def decode(self, log_probs: Tensor, lengths: Tensor, frame_shift: float) -> list[list[Hypothesis]]:
        """``(batch, frames, vocab)``, ``(batch,)`` -> per utterance a list of one hypothesis."""
        values, tokens = log_probs.max(dim=2)
        return [
            [self._hypothesis(row[:length], best[:length], frame_shift)]
            for row, best, length in zip(tokens, values, lengths.tolist(), strict=True)
        ]

    def _hypothesis(self, path: Tensor, values: Tensor, frame_shift: float) -> Hypothesis:
        runs, inverse, counts = torch.unique_consecutive(path, return_inverse=True, return_counts=True)
        confidence = torch.zeros(len(runs), dtype=values.dtype).index_add_(0, inverse, values.exp()) / counts
        begins = counts.cumsum(0) - counts
        kept = (runs != BLANK).nonzero()[:, 0]
        tokens = runs[kept].tolist()
        frames, ends = begins[kept].tolist(), (begins + counts)[kept].tolist()
        confidences = confidence[kept].clamp(max=1.0).tolist()
        return Hypothesis(
            text=self.tokenizer.decode(tokens),
            score=float(values.sum()) if len(values) else 0.0,
            tokens=tuple(tokens),
            frames=tuple(frames),
            confidences=tuple(confidences),
            words=group_words(self._names(tokens), frames, ends, confidences, frame_shift),
        )

    def _names(self, tokens: Sequence[int]) -> list[str]:
        return [self.tokenizer.tokens[token] for token in tokens]
