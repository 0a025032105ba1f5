"""Interpolated modified Kneser-Ney estimation of n-gram models, as Heafield, Pouzyrevsky, Clark and Koehn define it
("Scalable Modified Kneser-Ney Language Model Estimation", ACL 2013), after Chen and Goodman (1998).

With a(w) the adjusted count of an n-gram (``counting``), c its first n - 1 words and s its last n - 1:

    p(w | c) = (a(c w) - D(a(c w))) / sum_x a(c x)  +  gamma(c) p(w | s without w)
    gamma(c) = sum_{i = 1, 2, 3+} D(i) |{x: a(c x) = i}| / sum_x a(c x)

gamma(c) is written as the backoff of c. The discounts D(1), D(2), D(3 and more) of an order come from how many of its
n-grams have an adjusted count of 1, 2, 3 and 4, t1 to t4 (Chen and Goodman 1998, equation 26):

    D(k) = k - (k + 1) t1 / (t1 + 2 t2) t(k+1) / tk

The unigrams are interpolated with the uniform distribution over the vocabulary, ``<unk>`` and ``</s>`` included and
``<s>`` not; that is all the probability that ``<unk>`` has. Pruned n-grams, those that occur no more often than the
threshold of their order, give their whole count to gamma(c).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dstoolkit.decoding import counting
from dstoolkit.decoding.arpa import Arpa, Level
from dstoolkit.decoding.counting import BEGIN_ID, SPECIAL, Counts
from dstoolkit.errors import ConfigError, DataError

FALLBACK = (0.5, 1.0, 1.5)  # where D has no value or none between 0 and k: lmplz's --discount_fallback
NEVER = 1e-99  # the least probability, written as -99, ARPA's 'never'


@dataclass(frozen=True)
class Estimate:
    """A model; the discounts of each order, D(1), D(2), D(3 and more); why an order has the ``FALLBACK``, else ''."""

    arpa: Arpa
    discounts: tuple[tuple[float, ...], ...]
    fallbacks: tuple[str, ...]
    sentences: int
    tokens: int  # words, without <s> and </s>


def estimate(sentences: Iterable[Sequence[str]], order: int, prune: Sequence[int] = ()) -> Estimate:
    """From sentences of words. ``prune``: a threshold for each order from 1 up, the last for those after too.

    Raises DataError where there is no word, ConfigError for thresholds that cannot be.
    """
    thresholds = check_thresholds(prune, order)
    words, stream = counting.index(sentences)
    if len(words) == len(SPECIAL):
        raise DataError("language model", "a text without words", "expected at least one")
    counts = counting.count(stream, len(words), order)
    discounts, whys = zip(*(discount(each.adjusted) for each in counts), strict=True)
    kept = [each.raw > threshold for each, threshold in zip(counts, thresholds, strict=True)]
    kept[0][: len(SPECIAL)] = True
    probs, backoffs = _probabilities(counts, discounts, kept)
    arpa = _arpa(words, counts, kept, probs, backoffs)
    starts = int((stream == BEGIN_ID).sum())
    return Estimate(arpa, discounts, whys, starts, len(stream) - 2 * starts)


def check_thresholds(prune: Sequence[int], order: int) -> list[int]:
    """One for each order. Raises ConfigError for an order below 1, for too many of them and for those that fall."""
    if order < 1:
        raise ConfigError("--order", f"{order}", "expected 1 or more")
    if len(prune) > order:
        raise ConfigError("--prune", f"{len(prune)} thresholds", f"expected no more than the order, {order}")
    if sorted(prune) != list(prune) or min(prune, default=0) < 0:
        shown = " ".join(map(str, prune))
        raise ConfigError("--prune", f"'{shown}'", "expected counts from 0 up that never fall from order to order")
    last = prune[-1] if prune else 0
    return [*prune, *[last] * (order - len(prune))]


def discount(adjusted: Any) -> tuple[tuple[float, ...], str]:
    """D(1), D(2) and D(3 and more) of an order with these adjusted counts, and why that is the ``FALLBACK``, if so."""
    t = np.bincount(np.minimum(adjusted, 5), minlength=6)
    for k in (1, 2, 3):
        if t[k] == 0:
            return FALLBACK, f"no n-gram has an adjusted count of {k}"
    y = t[1] / (t[1] + 2 * t[2])
    found = tuple(float(k - (k + 1) * y * t[k + 1] / t[k]) for k in (1, 2, 3))
    odd = next((k for k in (1, 2, 3) if not 0 <= found[k - 1] <= k), None)
    return (FALLBACK, f"D({odd}) would be {found[odd - 1]:.3f}") if odd else (found, "")


def _probabilities(
    counts: Sequence[Counts], discounts: Sequence[Sequence[float]], kept: Sequence[Any]
) -> tuple[list[Any], list[Any]]:
    """By order, the probability of every n-gram, and gamma of every one as a context: 1 where it is none."""
    probs, backoffs = [], []
    lower = np.full(1, 1.0 / (kept[0].sum() - 1))
    for each, amounts, keep in zip(counts, discounts, kept, strict=True):
        a = each.adjusted.astype(np.float64)
        left = np.where(keep, np.append(0.0, amounts)[np.minimum(each.adjusted, 3)], a)  # for the lower orders
        total = np.bincount(each.parents, weights=a, minlength=len(lower))
        is_context = total > 0
        gamma = np.ones(len(lower))
        np.divide(np.bincount(each.parents, weights=left, minlength=len(lower)), total, out=gamma, where=is_context)
        share = (a - left) / np.where(is_context, total, 1.0)[each.parents]
        lower = share + gamma[each.parents] * lower[each.suffixes]
        probs.append(lower)
        backoffs.append(gamma)
    return probs, [*backoffs[1:], None]


def _arpa(
    words: list[str], counts: Sequence[Counts], kept: Sequence[Any], probs: list[Any], backoffs: list[Any]
) -> Arpa:
    """What is kept, in log10."""
    probs[0][BEGIN_ID] = NEVER
    ids = (np.cumsum(kept[0]) - 1).astype(np.int32)
    rows, levels = np.zeros((1, 0), dtype=np.int32), []
    for each, keep, prob, backoff in zip(counts, kept, probs, backoffs, strict=True):
        rows = np.concatenate([rows[each.parents], each.words[:, None]], axis=1)
        levels.append(Level(ids[rows[keep]], _log10(prob[keep]), None if backoff is None else _log10(backoff[keep])))
    return Arpa([word for word, keep in zip(words, kept[0].tolist(), strict=True) if keep], levels)


def _log10(values: Any) -> Any:
    """As float32. Rounding may take a probability of 1 above it."""
    return np.log10(np.clip(values, NEVER, 1.0)).astype(np.float32)
