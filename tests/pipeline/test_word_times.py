"""Times filled in by alignment are those that greedy decoding, whose path is the likeliest of all, finds by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.decoding.greedy import Greedy, GreedyConfig
from dstoolkit.interfaces import Hypothesis, Word
from dstoolkit.pipeline.word_times import fill, within
from dstoolkit.text.characters import Characters

TOKENIZER = Characters.train(Characters.Config(), [])
SHIFT = 0.04
LENGTHS = torch.tensor([17, 30, 1, 22])


def noise(seed: int) -> torch.Tensor:
    vocab = len(TOKENIZER.tokens)
    return (4 * torch.randn(4, 30, vocab, generator=torch.Generator().manual_seed(seed))).log_softmax(2)


def greedy(log_probs: torch.Tensor) -> list[list[Hypothesis]]:
    return Greedy(GreedyConfig(), TOKENIZER).decode(log_probs, LENGTHS, SHIFT)


def bare(each: Hypothesis) -> Hypothesis:
    return replace(each, frames=(), confidences=(), words=())


def filled(found: list[list[Hypothesis]], log_probs: torch.Tensor) -> list[list[Hypothesis]]:
    return fill(found, log_probs, LENGTHS, TOKENIZER.tokens, SHIFT)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_what_was_left_out_comes_back(seed: int) -> None:
    log_probs = noise(seed)
    expected = greedy(log_probs)
    for one, other in zip(filled([[bare(each)] for (each,) in expected], log_probs), expected, strict=True):
        assert (one[0].text, one[0].tokens, one[0].frames) == (other[0].text, other[0].tokens, other[0].frames)
        assert one[0].confidences == pytest.approx(other[0].confidences, abs=1e-6)
        for word, wanted in zip(one[0].words, other[0].words, strict=True):
            assert (word.text, word.start, word.end) == (wanted.text, wanted.start, wanted.end)
            assert word.confidence == pytest.approx(wanted.confidence, abs=1e-6)


def test_every_rank_has_its_own_times_and_given_ones_stay() -> None:
    log_probs = noise(1)
    best = [each for (each,) in greedy(log_probs)]
    own = replace(best[0], words=(Word("kept", 0.0, 0.1, 0.5),))
    shorter = [replace(bare(each), tokens=each.tokens[:-2]) for each in best]
    found = filled([[own, bare(best[0]), shorter[0]], [shorter[1], bare(best[1])], [], [bare(best[3])]], log_probs)
    assert found[0][0] == own
    assert found[0][1].frames == best[0].frames
    assert found[1][1].frames == best[1].frames
    assert found[3][0].frames == best[3].frames
    assert found[2] == []
    for each in (found[0][2], found[1][0]):
        assert len(each.frames) == len(each.tokens) == len(each.confidences)
        assert all(one < other for one, other in zip(each.frames, each.frames[1:], strict=False))


def test_one_that_has_no_place_stays_without_words() -> None:
    """'aa' takes three frames, of which the third utterance has one; no tokens take no alignment."""
    impossible, empty = Hypothesis("aa", -1.0, (1, 1)), Hypothesis("", -2.0)
    found = filled([[empty], [empty], [impossible, empty], [empty]], noise(2))
    assert found == [[empty], [empty], [impossible, empty], [empty]]


def test_words_end_with_the_audio() -> None:
    words = (Word("a", 0.0, 0.3, 1.0), Word("b", 0.3, 0.6, 1.0), Word("c", 0.6, 0.7, 1.0))
    times = [(each.start, each.end) for each in within(words, 0.5)]
    assert times == [(0.0, 0.3), (0.3, 0.5), (0.5, 0.5)]
