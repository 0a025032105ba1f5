"""Best-path decoding: the likeliest token of each frame, repeats merged, blanks dropped (Graves et al. 2006, 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
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
        values, tokens = (each.cpu().numpy() for each in log_probs.max(dim=2))
        counts = lengths.cpu().numpy()
        inside = np.arange(values.shape[1]) < counts[:, None]
        ends = np.cumsum(counts)  # of the utterances, their frames laid end to end
        runs = _runs(tokens[inside], values[inside], ends - counts)
        scores = np.where(inside, values, 0.0).sum(axis=1, dtype=np.float64)
        borders = np.searchsorted(runs[1], [0, *ends]).tolist()
        return [
            [self._hypothesis([each[first:last] for each in runs], int(end - count), float(score), frame_shift)]
            for (first, last), end, count, score in zip(pairwise(borders), ends, counts, scores, strict=True)
        ]

    def _hypothesis(self, runs: list[Any], start: int, score: float, frame_shift: float) -> Hypothesis:
        """From the runs of one utterance, whose first frame is ``start``."""
        tokens, confidences = runs[0].tolist(), runs[3].tolist()
        begins, ends = (runs[1] - start).tolist(), (runs[2] - start).tolist()
        names = [self.tokenizer.tokens[token] for token in tokens]
        return Hypothesis(
            text=self.tokenizer.decode(tokens),
            score=score,
            tokens=tuple(tokens),
            frames=tuple(begins),
            confidences=tuple(confidences),
            words=group_words(names, begins, ends, confidences, frame_shift),
        )


def _runs(path: Any, values: Any, starts: Any) -> tuple[Any, Any, Any, Any]:
    """Utterances' best paths end to end, ``(all_frames,)``, and where each begins -> the runs of one token, blanks left
    out: token, first frame, frame after the last, mean probability."""
    new = np.append(True, path[1:] != path[:-1])[: len(path)]
    new[starts[starts < len(path)]] = True
    begins = np.flatnonzero(new)
    ends = np.append(begins[1:], len(path))[: len(begins)]
    means = np.add.reduceat(np.exp(values.astype(np.float64)), begins) / (ends - begins) if len(path) else values
    kept = path[begins] != BLANK
    return path[begins][kept], begins[kept], ends[kept], np.minimum(means[kept], 1.0)
