"""Greedy decoding against collapsing by hand, and word times."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.decoding.greedy import Greedy, GreedyConfig
from dstoolkit.decoding.words import group_words


class Letters:
    """A tokenizer of four tokens."""

    tokens = ("<blank>", " ", "a", "b")

    def decode(self, ids):
        return "".join(self.tokens[each] for each in ids if each)


def log_probs_of(paths):
    frames = max(map(len, paths))
    batch = torch.full((len(paths), frames, 4), 0.1)
    for row, path in zip(batch, paths, strict=True):
        for t, token in enumerate(path):
            row[t, token] = 0.7
    return batch.log(), torch.tensor([len(path) for path in paths])


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=4))
@settings(deadline=None)
def test_collapses_repeats_then_drops_blanks(paths):
    results = Greedy(GreedyConfig(), Letters()).decode(*log_probs_of(paths), 0.04)
    for path, (hypothesis,) in zip(paths, results, strict=True):
        collapsed = tuple(token for token, _ in itertools.groupby(path) if token)
        assert hypothesis.tokens == collapsed
        assert hypothesis.text == Letters().decode(collapsed)
        assert [path[frame] for frame in hypothesis.frames] == list(collapsed)
        assert hypothesis.score == pytest.approx(len(path) * torch.tensor(0.7).log().item(), abs=1e-4)
        assert hypothesis.confidences == pytest.approx([0.7] * len(collapsed))


def test_words_have_times_and_confidences():
    log_probs, lengths = log_probs_of([[0, 2, 2, 3, 0, 1, 1, 2, 0]])
    (hypothesis,) = Greedy(GreedyConfig(), Letters()).decode(log_probs, lengths, 0.04)[0:1][0]
    assert [(word.text, word.start, word.end) for word in hypothesis.words] == [("ab", 0.04, 0.16), ("a", 0.28, 0.32)]


def test_an_utterance_without_frames_is_empty():
    (hypothesis,) = Greedy(GreedyConfig(), Letters()).decode(torch.zeros(1, 3, 4), torch.tensor([0]), 0.04)[0]
    assert (hypothesis.text, hypothesis.score, hypothesis.words) == ("", 0.0, ())


def test_pieces_begin_words_at_the_word_mark():
    names = ["\u2581to", "day", "\u2581we"]
    words = group_words(names, [1, 3, 6], [2, 5, 8], [0.9, 0.5, 0.8], 0.1)
    assert [(word.text, word.start, word.end, word.confidence) for word in words] == [
        ("today", 0.1, 0.5, 0.5),
        ("we", 0.6, 0.8, 0.8),
    ]
