"""The decoder ``beam``: CTC prefix beam search with an n-gram model, a lexicon and hotwords.

Sources: Hannun, Maas, Jurafsky & Ng, "First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional
Recurrent DNNs" (2014) for the search and its alpha and beta; ``growth`` says how a text is scored, ``search`` how fast
and why that is exact. Utterances of a batch are decoded side by side, in as many threads as torch uses.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from dstoolkit.decoding.search import Limits, search
from dstoolkit.decoding.vocabulary import make_rules
from dstoolkit.interfaces import Decoder, Hypothesis, Tokenizer


@dataclass(frozen=True)
class BeamConfig:
    """What is kept. ``beam``: prefixes at each frame. ``nbest``: hypotheses. ``top_tokens``: the likeliest so many
    tokens of a frame may extend prefixes (0: all). ``token_threshold``: those of less probability may not.
    ``beam_threshold``: how far below the best a prefix may be, in nats (0: any).

    What counts. ``lm``: an ARPA file, plain or gzip, of words or (``lm_unit``) of the tokenizer's tokens. ``alpha``:
    its weight. ``beta``: added for each word (token), in nats. ``unknown_score``: added for a word the model does not
    know, in nats. ``sentence_end``: whether the model scores the end of the text too. ``hotwords``: phrases, each with
    the nats that are added each time it occurs.

    What is allowed. ``lexicon``: a file of words, one a line; only texts of these are found.
    """

    beam: int = 100
    nbest: int = 1
    top_tokens: int = 0
    token_threshold: float = 0.0
    beam_threshold: float = 0.0
    lm: str = ""
    lm_unit: Literal["word", "token"] = "word"
    alpha: float = 0.5
    beta: float = 1.0
    unknown_score: float = -10.0
    sentence_end: bool = True
    lexicon: str = ""
    hotwords: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, least in (("beam", 1), ("nbest", 1), ("top_tokens", 0), ("alpha", 0), ("beam_threshold", 0)):
            if not least <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}: {getattr(self, name)}; expected at least {least}")
        if self.nbest > self.beam:
            raise ValueError(f"nbest: {self.nbest}; expected at most the beam, {self.beam}")
        if not 0 <= self.token_threshold < 1:
            raise ValueError(f"token_threshold: {self.token_threshold}; expected a probability below 1")
        for name in ("beta", "unknown_score"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name}: {getattr(self, name)}; expected a finite number")
        for phrase, weight in self.hotwords.items():
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
                raise ValueError(f"hotwords: {phrase!r}: {weight!r}; expected its weight, a number")
            if not isinstance(phrase, str) or not phrase.strip():
                raise ValueError(f"hotwords: {phrase!r}; expected words")


class Beam(Decoder):
    """Up to ``nbest`` hypotheses with distinct texts. ``score`` is the acoustic log-probability plus the bonus."""

    name = "beam"
    Config = BeamConfig

    def __init__(self, config: BeamConfig, tokenizer: Tokenizer) -> None:
        """Raises ConfigError or DataError for files that cannot be read or do not fit the tokenizer."""
        self.config, self.tokenizer = config, tokenizer
        self.limits = Limits(
            config.beam,
            config.top_tokens,
            math.log(config.token_threshold) if config.token_threshold else -math.inf,
            config.beam_threshold or math.inf,
        )
        self.rules = make_rules(config, tuple(tokenizer.tokens))

    @classmethod
    def inputs(cls, config: BeamConfig) -> Mapping[str, Path]:
        return {name: Path(getattr(config, name)) for name in ("lm", "lexicon") if getattr(config, name)}

    def decode(self, log_probs: Tensor, lengths: Tensor, frame_shift: float) -> list[list[Hypothesis]]:
        """``(batch, frames, vocab)``, ``(batch,)`` -> per utterance its hypotheses, best first.

        Raises ValueError for log-probabilities that are no numbers.
        """
        values = log_probs.detach().cpu().numpy()
        if values.shape[2] != len(self.tokenizer.tokens):
            raise ValueError(f"{values.shape[2]} log-probabilities a frame for {len(self.tokenizer.tokens)} tokens")
        rows = [values[at, :length].astype(np.float64) for at, length in enumerate(lengths.tolist())]
        for at, row in enumerate(rows):
            if not (row < math.inf).all():
                raise ValueError(f"utterance {at}: log-probabilities that are no numbers")
        threads = min(torch.get_num_threads(), len(rows))
        if threads < 2:
            return [self._decode(row) for row in rows]
        longest_first = sorted(range(len(rows)), key=lambda at: -len(rows[at]))
        with ThreadPoolExecutor(threads) as pool:
            found = dict(zip(longest_first, pool.map(lambda at: self._decode(rows[at]), longest_first), strict=True))
        return [found[at] for at in range(len(rows))]

    def _decode(self, log_probs: Any) -> list[Hypothesis]:
        found, counts, scores = search(log_probs, self.limits, self.rules)
        hypotheses: list[Hypothesis] = []
        texts = set()
        for tokens, (score, acoustic, lm) in zip(split(found, counts), scores.tolist(), strict=True):
            text = self.tokenizer.decode(tokens)
            words = tuple(text.split())
            if words not in texts:  # another spelling of the same words adds nothing
                texts.add(words)
                hypotheses.append(Hypothesis(text, score, tuple(tokens), acoustic=acoustic, lm=lm))
            if len(hypotheses) == self.config.nbest:
                break
        return hypotheses


def split(items: Any, counts: Any) -> Iterator[list[int]]:
    """The first ``counts[0]`` items, the next ``counts[1]``, and so on."""
    for first, last in pairwise([0, *counts.cumsum().tolist()]):
        yield items[first:last].tolist()
