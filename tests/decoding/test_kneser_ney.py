"""Modified Kneser-Ney estimates: an example worked by hand, lmplz's own figures, a slow reference, and properties."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.decoding import arpa_reader, arpa_writer
from dstoolkit.decoding.arpa import Arpa
from dstoolkit.decoding.kneser_ney import FALLBACK, discount, estimate
from dstoolkit.decoding.ngram import Ngram, lookup
from dstoolkit.errors import ConfigError, DataError

Sentences = list[list[str]]
HOUSE = [
    "go to the red house",
    "go to the blue house",
    "come to the red door",
    "the red door is open",
    "the blue door is shut",
    "go in",
    "is the house open",
    "is the red house shut",
]


def contents(arpa: Arpa) -> dict[tuple[str, ...], tuple[float, float]]:
    """n-gram -> probability and backoff, neither a logarithm."""
    found = {}
    for level in arpa.levels:
        backoffs = np.zeros(len(level.probs)) if level.backoffs is None else level.backoffs.astype(np.float64)
        for row, prob, backoff in zip(level.words.tolist(), level.probs.astype(np.float64), backoffs, strict=True):
            found[tuple(arpa.words[each] for each in row)] = (10.0**prob, 10.0**backoff)
    return found


def text(lines: Sequence[str]) -> Sentences:
    return [line.split() for line in lines]


def test_an_example_worked_by_hand() -> None:
    """Order 2, the sentences 'a b', 'a b' and 'a c'.

    Bigrams: '<s> a' 3, 'a b' 2, 'b </s>' 2, 'a c' 1, 'c </s>' 1. So t1 = 2, t2 = 2, t3 = 1, t4 = 0, y = 2 / (2 + 4) =
    1/3, and D = (1 - 2/3, 2 - 1/2, 3) = (1/3, 3/2, 3).
    Adjusted counts of the unigrams, the words before each: a 1, b 1, c 1, </s> 2 (b and c); their sum is 5. No unigram
    has 3, so D = (1/2, 1, 3/2). gamma = (3 * 1/2 + 1 * 1) / 5 = 1/2, shared evenly by <unk>, </s>, a, b, c: 1/10 each.
        p(<unk>) = 1/10      p(a) = p(b) = p(c) = (1 - 1/2) / 5 + 1/10 = 1/5      p(</s>) = (2 - 1) / 5 + 1/10 = 3/10
        gamma(<s>) = 3/3 = 1                     p(a | <s>) = 0/3 + 1/5 = 1/5
        gamma(a) = (3/2 + 1/3) / 3 = 11/18       p(b | a) = (1/2)/3 + 11/18 * 1/5 = 13/45
                                                 p(c | a) = (2/3)/3 + 11/18 * 1/5 = 31/90
        gamma(b) = (3/2) / 2 = 3/4               p(</s> | b) = (1/2)/2 + 3/4 * 3/10 = 19/40
        gamma(c) = (1/3) / 1 = 1/3               p(</s> | c) = (2/3)/1 + 1/3 * 3/10 = 23/30
    """
    found = estimate(text(["a b", "a b", "a c"]), 2)
    assert found.discounts == (FALLBACK, pytest.approx((1 / 3, 3 / 2, 3)))
    assert found.fallbacks == ("no n-gram has an adjusted count of 3", "")
    assert (found.sentences, found.tokens) == (3, 6)
    expected = {
        ("<unk>",): (1 / 10, 1),
        ("<s>",): (0, 1),
        ("</s>",): (3 / 10, 1),
        ("a",): (1 / 5, 11 / 18),
        ("b",): (1 / 5, 3 / 4),
        ("c",): (1 / 5, 1 / 3),
        ("<s>", "a"): (1 / 5, 1),
        ("a", "b"): (13 / 45, 1),
        ("a", "c"): (31 / 90, 1),
        ("b", "</s>"): (19 / 40, 1),
        ("c", "</s>"): (23 / 30, 1),
    }
    assert contents(found.arpa) == {words: pytest.approx(figures, rel=1e-6) for words, figures in expected.items()}


# Some of what lmplz of KenLM 0.3.0 wrote for HOUSE with '-o 3 --discount_fallback', and with '--prune 0 1' too.
LMPLZ = {
    "<unk>": (-1.2900347, 0.0),
    "</s>": (-0.8920946, 0.0),
    "go": (-1.1139433, -0.30103),
    "the": (-1.2900347, -0.06845737),
    "door </s>": (-0.5892588, 0.0),
    "<s> go": (-1.1877296, -0.30103),
    "to the": (-0.63984853, -0.30103),
    "the red": (-1.1824007, -0.30103),
    "red house": (-0.55965614, -0.30103),
    "house open </s>": (-0.18987952,),
    "<s> go to": (-0.32330638,),
    "to the red": (-0.43629837,),
    "the red house": (-0.4113692,),
    "red door is": (-0.47351712,),
}
LMPLZ_PRUNED = {
    "<unk>": (-1.2900347, 0.0),
    "</s>": (-0.8920946, 0.0),
    "go": (-1.1139433, -0.12493875),
    "the": (-1.2900347, -0.028028725),
    "<s> go": (-1.1566954, -0.17609124),
    "to the": (-0.63984853, -0.17609124),
    "the red": (-1.1419721, -0.30103),
    "red house": (-0.55965614, 0.0),
    "<s> go to": (-0.27300125,),
    "to the red": (-0.41860762,),
    "the red house": (-0.4113692,),
}


@pytest.mark.parametrize(("prune", "figures"), [((), LMPLZ), ((0, 1), LMPLZ_PRUNED)], ids=["whole", "pruned"])
def test_figures_of_lmplz(prune: tuple[int, ...], figures: dict[str, tuple[float, ...]]) -> None:
    found = estimate(text(HOUSE), 3, prune)
    logs = {" ".join(words): np.log10(each) for words, each in contents(found.arpa).items()}
    for words, expected in figures.items():
        assert logs[words][: len(expected)] == pytest.approx(expected, abs=2e-6)


@pytest.mark.skipif(shutil.which("lmplz") is None, reason="lmplz, KenLM's own estimator, is not on the path")
@pytest.mark.parametrize(("order", "prune"), [(1, ()), (2, ()), (3, ()), (5, ()), (4, (0, 0, 1, 2)), (3, (1, 1, 2))])
def test_lmplz_estimates_the_same(order: int, prune: tuple[int, ...], tmp_path: Path) -> None:
    sentences = random_text(random.Random(order), 50, 2000)
    options = ["-o", str(order), "-S", "64M", "--discount_fallback", *(["--prune", *map(str, prune)] * bool(prune))]
    lines = "".join(" ".join(each) + "\n" for each in sentences)
    ran = subprocess.run(["lmplz", *options], input=lines, capture_output=True, text=True, check=True)
    (tmp_path / "lm.arpa").write_text(ran.stdout)
    theirs, ours = contents(arpa_reader.read(tmp_path / "lm.arpa")), contents(estimate(sentences, order, prune).arpa)
    assert ours.keys() == theirs.keys()
    for words in ours.keys() - {("<s>",)}:
        assert ours[words] == pytest.approx(theirs[words], rel=1e-5)


def random_text(rng: random.Random, size: int, count: int) -> Sentences:
    """Few words often and many seldom; '</s>' comes after all of them, and the last new word is there once."""
    weights = [1 / (at + 1) for at in range(size)]
    words = [f"w{at}" for at in range(size)]
    return [*(rng.choices(words, weights, k=rng.randrange(1, 10)) for _ in range(count)), ["the", "end"]]


class Slow:
    """The definition, n-gram by n-gram in float64, from dictionaries of words."""

    def __init__(self, sentences: Sentences, order: int, thresholds: Sequence[int]) -> None:
        self.order, self.raw = order, Counter[tuple[str, ...]]()
        for sentence in sentences:
            padded = ["<s>", *sentence, "</s>"]
            for end in range(2, len(padded) + 1):
                self.raw.update(tuple(padded[end - n : end]) for n in range(1, min(order, end) + 1))
        self.kept = {each for each, count in self.raw.items() if count > thresholds[len(each) - 1] or each == ("</s>",)}
        before = defaultdict(set)
        for each in self.raw:
            before[each[1:]].add(each[0])
        whole = {each for each in self.raw if len(each) == order or each[0] == "<s>"}
        self.adjusted = {each: self.raw[each] if each in whole else len(before[each]) for each in self.raw}
        self.discounts = [self._discounts(n) for n in range(1, order + 1)]
        self.after = defaultdict(list)
        for each in self.raw:
            self.after[each[:-1]].append(each)
        self.words = {each[0] for each in self.kept if len(each) == 1} | {"<unk>"}

    def _discounts(self, n: int) -> Sequence[float]:
        t = Counter(count for each, count in self.adjusted.items() if len(each) == n)
        if not t[1] or not t[2] or not t[3]:
            return FALLBACK
        y = t[1] / (t[1] + 2 * t[2])
        found = [k - (k + 1) * y * t[k + 1] / t[k] for k in (1, 2, 3)]
        return found if all(0 <= each <= k for k, each in enumerate(found, start=1)) else FALLBACK

    def taken(self, ngram: tuple[str, ...]) -> float:
        """What an n-gram leaves to the lower orders."""
        count = self.adjusted[ngram]
        return self.discounts[len(ngram) - 1][min(count, 3) - 1] if ngram in self.kept else count

    def gamma(self, context: tuple[str, ...]) -> float:
        if len(context) == self.order or context not in self.after:
            return 1.0
        return sum(map(self.taken, self.after[context])) / sum(self.adjusted[each] for each in self.after[context])

    def probability(self, word: str, context: tuple[str, ...]) -> float:
        ngram = (*context, word)
        lower = self.probability(word, context[1:]) if context else 1 / len(self.words)
        share = 0.0
        if ngram in self.kept:
            share = (self.adjusted[ngram] - self.taken(ngram)) / sum(self.adjusted[e] for e in self.after[context])
        return share + self.gamma(context) * lower


@pytest.mark.parametrize(
    ("order", "prune"), [(1, ()), (1, (2,)), (2, ()), (3, ()), (4, ()), (3, (0, 1)), (4, (0, 0, 1, 3)), (3, (3, 4))]
)
def test_the_slow_reference(order: int, prune: tuple[int, ...]) -> None:
    sentences = random_text(random.Random(order), 30, 400)
    found = estimate(sentences, order, prune)
    slow = Slow(sentences, order, [*prune, *[prune[-1] if prune else 0] * (order - len(prune))])
    assert found.discounts == pytest.approx(tuple(map(pytest.approx, slow.discounts)))
    ours = contents(found.arpa)
    assert ours.keys() == slow.kept | {("<unk>",), ("<s>",)}
    for words, (prob, backoff) in ours.items():
        if words != ("<s>",):
            assert prob == pytest.approx(slow.probability(words[-1], words[:-1]), rel=1e-5)
        if len(words) < order:
            assert backoff == pytest.approx(slow.gamma(words), rel=1e-5)


WORDS = st.sampled_from("abcde")


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(WORDS, max_size=8), min_size=1, max_size=30).filter(any),
    st.integers(1, 4),
    st.sampled_from([(), (0, 1), (1, 1), (0, 0, 2)]),
)
def test_probabilities_after_any_context_sum_to_1(sentences: Sentences, order: int, prune: tuple[int, ...]) -> None:
    found = Ngram.of(estimate(sentences, order, prune[:order]).arpa)
    states = {0, found.start}
    predicted = [at for at, word in enumerate(found.words) if word != "<s>"]
    for _ in range(order):
        states |= {lookup(found.tables, state, word)[1] for state in states for word in predicted if word != found.end}
    for state in states:
        total = sum(np.exp(lookup(found.tables, state, word)[0]) for word in predicted)
        assert total == pytest.approx(1, abs=1e-5)


def test_the_order_of_sentences_and_runs_changes_nothing(tmp_path: Path) -> None:
    sentences = random_text(random.Random(5), 30, 300)
    shuffled = random.Random(1).sample(sentences, len(sentences))
    for name, each in (("a.arpa", sentences), ("b.arpa", sentences), ("c.arpa", shuffled)):
        arpa_writer.write(estimate(each, 3).arpa, tmp_path / name)
    assert len({(tmp_path / f"{name}.arpa").read_bytes() for name in "abc"}) == 1


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        ([1] * 5 + [2] * 2 + [4], "no n-gram has an adjusted count of 3"),
        ([2, 3, 4], "no n-gram has an adjusted count of 1"),
        ([], "no n-gram has an adjusted count of 1"),
        ([1] * 4 + [2] + [3] * 9, "D(2) would be -16.000"),  # y = 4/6; 2 - 3 * 4/6 * 9/1
    ],
)
def test_discounts_that_cannot_be(counts: list[int], why: str) -> None:
    assert discount(np.array(counts, dtype=np.int64)) == (FALLBACK, why)


def test_thresholds_and_texts_that_cannot_be() -> None:
    sentences = text(HOUSE)
    for prune in [(1, 0), (0, 0, 0, 0), (-1,)]:
        with pytest.raises(ConfigError, match="--prune"):
            estimate(sentences, 3, prune)
    with pytest.raises(ConfigError, match="--order: 0"):
        estimate(sentences, 0)
    for empty in ([], [[]]):
        with pytest.raises(DataError, match="a text without words"):
            estimate(empty, 2)
