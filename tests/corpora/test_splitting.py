"""The promises of the splits, on corpora that hypothesis makes up."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dstoolkit.corpora import splitting
from dstoolkit.interfaces import Utterance

WORDS = st.sampled_from(["please", "press", "the", "pound", "key", "now", "star", "one", "two", "three"])
TEXTS = st.lists(st.lists(WORDS, min_size=1, max_size=5).map(" ".join), max_size=80)


def utterances(texts: list[str]) -> list[Utterance]:
    return [Utterance(f"u{at:03}", f"{at}.wav", "s", text) for at, text in enumerate(texts)]


def test_hashed_is_by_sha256() -> None:
    # SHA-256 of 'abc' begins ba78 (FIPS 180-2), of '' e3b0, of 'a' ca97
    assert splitting.hashed(["", "a", "abc"]) == ["abc", "a", ""]


@given(TEXTS, st.integers(0, 20), st.integers(0, 10))
def test_closed_vocabulary(texts: list[str], test: int, dev: int) -> None:
    made = splitting.closed_vocabulary(utterances(texts), test, dev)
    train, developed, tested = made
    assert sorted(each.id for split in made for each in split) == [each.id for each in utterances(texts)]
    assert not {each.text for each in train} & {each.text for each in [*developed, *tested]}
    assert not {each.text for each in developed} & {each.text for each in tested}
    prompts = Counter(word for each in train for word in set((each.text or "").split()))
    assert all(prompts[word] >= 2 for each in tested for word in (each.text or "").split())
    assert all(len((each.text or "").split()) >= 3 for each in [*developed, *tested])


@given(TEXTS, st.randoms())
def test_the_order_of_the_corpus_does_not_matter(texts: list[str], random: object) -> None:
    made = utterances(texts)
    shuffled = list(made)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for one, other in zip(
        splitting.closed_vocabulary(made, 9, 5), splitting.closed_vocabulary(shuffled, 9, 5), strict=True
    ):
        assert {each.id for each in one} == {each.id for each in other}


def test_a_test_takes_what_it_is_asked_for_with_duplicates() -> None:
    texts = [f"{a} {b} {c}" for a in "abcdef" for b in "abcdef" for c in "abcdef"] * 2
    train, dev, test = splitting.closed_vocabulary(utterances(texts), 60, 25)
    assert (len(test), len(dev), len(train)) == (60, 26, len(texts) - 86)


def test_dev_is_filled_where_the_vocabulary_cannot_be_closed() -> None:
    """No word occurs twice, so that no text qualifies for the test; dev takes texts nevertheless."""
    texts = [f"a{at} b{at} c{at}" for at in range(20)]
    train, dev, test = splitting.closed_vocabulary(utterances(texts), 5, 3)
    assert (len(train), len(dev), len(test)) == (17, 3, 0)


@given(st.lists(st.sampled_from("abcdefgh"), max_size=60), st.integers(0, 30))
def test_by_speaker(speakers: list[str], size: int) -> None:
    made = [Utterance(f"{speaker}-{at}", "x", speaker, "x") for at, speaker in enumerate(speakers)]
    kept, cut = splitting.by_speaker(made, size)
    assert sorted([*kept, *cut], key=lambda each: each.id) == sorted(made, key=lambda each: each.id)
    assert not {each.speaker for each in kept} & {each.speaker for each in cut}
    if made:
        assert kept
        assert len(cut) >= size or len({each.speaker for each in kept}) == 1
