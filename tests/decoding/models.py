"""N-gram models for tests: random ones as dictionaries, the slow reading of these, and ARPA files of them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

Model = dict[tuple[str, ...], tuple[float, float]]  # words -> log10 probability, log10 backoff
SPECIAL = ("<unk>", "<s>", "</s>")
MISSING = -100.0  # log10, of <unk> where the model lacks it


def random_model(rng: random.Random, order: int, size: int, count: int) -> Model:
    """All unigrams, and about ``count`` n-grams of every other order with all their first words and all their last."""
    words = [*SPECIAL, *(f"w{at}" for at in range(size))]
    model = {(word,): figures(rng) for word in words}
    for n in range(2, order + 1):
        for _ in range(count):
            ngram = tuple(rng.choices(words, k=n))
            for first in range(n - 1):
                for last in range(first + 2, n + 1):
                    model.setdefault(ngram[first:last], figures(rng))
    return model


def figures(rng: random.Random) -> tuple[float, float]:
    """Of the backoffs, some 0."""
    return -round(rng.uniform(0.01, 3), 4), rng.choice([0.0, round(rng.uniform(-1.5, 0.3), 4)])


def probability(model: Mapping[tuple[str, ...], tuple[float, float]], words: Sequence[str]) -> tuple[float, int]:
    """log10 of the last word after the others, and the order of the n-gram that has it, as backoff is defined."""
    words = tuple(word if (word,) in model else "<unk>" for word in words)
    if words in model:
        return model[words][0], len(words)
    if len(words) == 1:
        return MISSING, 1
    value, order = probability(model, words[1:])
    return model.get(words[:-1], (0.0, 0.0))[1] + value, order


def score(
    model: Model, words: Sequence[str], bos: bool = True, eos: bool = True, order: int = 0
) -> list[tuple[float, int]]:
    """Of every word of a sentence, with all of the history that the model's order (by default that of its longest
    n-gram) lets it have."""
    order = order or max(map(len, model))
    history = ["<s>"] * bos + [*words, *["</s>"] * eos]
    return [probability(model, history[max(0, at - order + 1) : at + 1]) for at in range(bos, len(history))]


def write(model: Model, path: Path, highest: int | None = None) -> Path:
    """In an order of n-grams that is not that of the words."""
    order = highest or max(map(len, model))
    levels = [
        sorted((each for each in model if len(each) == n), key=lambda each: each[::-1]) for n in range(1, order + 1)
    ]
    lines = ["\\data\\", *(f"ngram {n}={len(each)}" for n, each in enumerate(levels, start=1))]
    for n, level in enumerate(levels, start=1):
        lines += ["", f"\\{n}-grams:"]
        for ngram in level:
            prob, backoff = model[ngram]
            lines.append(f"{prob}\t{' '.join(ngram)}" + (f"\t{backoff}" if n < order else ""))
    path.write_text("\n".join([*lines, "", "\\end\\", ""]), encoding="utf-8")
    return path


def sentences(rng: random.Random, words: Iterable[str], count: int) -> list[list[str]]:
    """Random ones, unknown words and empty ones among them."""
    choices = [*words, "unheard-of"]
    return [rng.choices(choices, k=rng.randrange(0, 12)) for _ in range(count)]
