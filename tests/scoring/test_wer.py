"""Word and character error rates: hand-counted cases, an oracle for the totals, and ids that do not match."""

from __future__ import annotations

import math

import editdistance
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstoolkit.errors import DataError, Faults
from dstoolkit.scoring.wer import ErrorCounts, score

REFERENCES = {"s1-a": "the cat sat", "s1-b": "on the mat", "s2-a": "yes"}
HYPOTHESES = {"s2-a": "", "s1-b": "on a the mat", "s1-a": "the hat sat"}
SPEAKERS = {"s1-a": "s1", "s1-b": "s1", "s2-a": "s2", "s3-a": "s3"}


def test_totals_counted_by_hand() -> None:
    report = score(REFERENCES, HYPOTHESES)
    assert report.wer == ErrorCounts(substitutions=1, deletions=1, insertions=1, correct=5)
    assert report.wer.reference_length == 7
    assert report.wer.rate == 3 / 7
    # c -> h; "a " inserted; y, e, s deleted; 11 + 10 + 3 characters with the spaces between words
    assert report.cer == ErrorCounts(substitutions=1, deletions=3, insertions=2, correct=20)
    assert report.cer.rate == 6 / 24
    assert report.ser == 1.0
    assert report.totals.wrong == report.totals.utterances == 3
    assert report.speakers == {}


def test_by_utterance_and_by_speaker() -> None:
    report = score(REFERENCES, HYPOTHESES, SPEAKERS)
    assert [each.id for each in report.utterances] == list(REFERENCES)
    assert [each.speaker for each in report.utterances] == ["s1", "s1", "s2"]
    assert list(report.speakers) == ["s1", "s2"]
    assert report.speakers["s1"].wer == ErrorCounts(1, 0, 1, 5)
    assert report.speakers["s2"].wer == ErrorCounts(0, 1, 0, 0)
    assert [step.kind for step in report.utterances[1].alignment] == ["correct", "insertion", "correct", "correct"]


TEXTS = st.dictionaries(st.sampled_from("uvwxyz"), st.text("ab  ", max_size=12), min_size=1)


@given(TEXTS, st.data())
def test_totals_are_the_edit_distances(references: dict[str, str], data: st.DataObject) -> None:
    hypotheses = {key: data.draw(st.text("ab  ", max_size=12)) for key in references}
    if not any(text.split() for text in references.values()):
        with pytest.raises(DataError):
            score(references, hypotheses)
        return
    report = score(references, hypotheses)
    sides = [(references[key].split(), hypotheses[key].split()) for key in references]
    assert report.wer.errors == sum(editdistance.eval(ref, hyp) for ref, hyp in sides)
    assert report.cer.errors == sum(editdistance.eval(" ".join(ref), " ".join(hyp)) for ref, hyp in sides)
    assert report.wer.reference_length == sum(len(ref) for ref, _ in sides)
    assert report.ser == sum(ref != hyp for ref, hyp in sides) / len(sides)


def test_white_space_does_not_count() -> None:
    assert score({"u": " a  b\t"}, {"u": "a b"}).cer.errors == 0


def test_an_empty_reference_among_others() -> None:
    report = score({"u": "", "v": "a"}, {"u": "x y", "v": "a"}, {"u": "s", "v": "t"})
    assert report.wer == ErrorCounts(0, 0, 2, 1)
    assert report.speakers["s"].wer.rate == math.inf
    assert score({"u": "", "v": "a"}, {"u": "", "v": "a"}, {"u": "s", "v": "t"}).speakers["s"].wer.rate == 0.0


@pytest.mark.parametrize(
    ("references", "found"), [({}, "ref: no utterances"), ({"u": " ", "v": ""}, "ref: no word in 2 utterances")]
)
def test_references_without_words_are_refused(references: dict[str, str], found: str) -> None:
    with pytest.raises(DataError, match=found):
        score(references, dict(references), reference_name="ref")


def test_ids_must_match_and_all_that_do_not_are_named() -> None:
    with pytest.raises(Faults) as caught:
        score(
            {"a": "x", "b": "y"}, {"b": "y", "c": "z", "d": ""}, reference_name="ref/text", hypothesis_name="hyp/text"
        )
    assert str(caught.value).splitlines() == [
        "hyp/text: utterance 'a' has no hypothesis; expected one for each reference",
        "hyp/text: utterance 'c' has no reference; 'ref/text' lacks it",
        "hyp/text: utterance 'd' has no reference; 'ref/text' lacks it",
    ]


def test_tokens_are_counted_beside_words() -> None:
    tokens = {"s1-a": [1, 2, 3], "s1-b": [4, 5, 6, 6], "s2-a": [7]}
    other = {"s2-a": [], "s1-b": [4, 5, 5, 6, 6], "s1-a": [1, 9, 3]}
    report = score(REFERENCES, HYPOTHESES, SPEAKERS, tokens=(tokens, other))
    assert report.ter == ErrorCounts(substitutions=1, deletions=1, insertions=1, correct=6)
    assert report.utterances[0].ter == ErrorCounts(substitutions=1, correct=2)
    assert report.speakers["s2"].ter == ErrorCounts(deletions=1)
    assert score(REFERENCES, HYPOTHESES).ter is None


def test_the_definition_is_one_for_words_characters_and_tokens() -> None:
    """Three pairs and a word right, or one more edit and three substitutions fewer."""
    texts = {"u": "a a a b c"}, {"u": "b c x b"}
    tokens = {"u": list("aaabc")}, {"u": list("bcxb")}
    fewest, sclite = score(*texts, tokens=tokens), score(*texts, tokens=tokens, mode="sclite")
    assert (fewest.mode, sclite.mode) == ("levenshtein", "sclite")
    assert fewest.ter == fewest.wer == ErrorCounts(substitutions=3, deletions=1, insertions=0, correct=1)
    assert sclite.ter == sclite.wer == ErrorCounts(substitutions=0, deletions=3, insertions=2, correct=2)
    assert sclite.utterances[0].steps == "DDDCCII"
    one_word = {"u": "aaabc"}, {"u": "bcxb"}
    assert score(*one_word).cer == fewest.wer
    assert score(*one_word, mode="sclite").cer == sclite.wer


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(Faults) as caught:
        score(REFERENCES, {**HYPOTHESES, "s9": "oh"}, {"s1-a": "s1", "s2-a": "s2"})
    assert str(caught.value).splitlines() == [
        "hypotheses: utterance 's9' has no reference; 'references' lacks it",
        "speakers: utterance 's1-b' has no speaker; expected one for each reference",
    ]


def test_what_is_too_long_is_named() -> None:
    with pytest.raises(DataError, match="hyp: utterance 'u' has 800,000 characters; expected at most 700,000; split"):
        score({"u": "a"}, {"u": "ab " * 266_666 + "ab"}, hypothesis_name="hyp")


def test_a_speaker_for_each() -> None:
    with pytest.raises(DataError, match="utt2spk: utterance 's2-a' has no speaker"):
        score(REFERENCES, HYPOTHESES, {"s1-a": "s1", "s1-b": "s1"}, speakers_name="utt2spk")


def test_intervals_by_utterance_and_by_speaker() -> None:
    references = {f"{speaker}-{at}": "a b c d" for speaker in ("s", "t", "u", "v") for at in range(25)}
    bad = {"s": "a b c d", "t": "a b c d", "u": "x b c d", "v": "x y c d"}
    hypotheses = {key: bad[key[0]] for key in references}
    report = score(references, hypotheses, {key: key[0] for key in references})
    by_utterance, by_speaker = report.interval(), report.interval(by_speaker=True)
    assert (by_utterance.units, by_speaker.units) == (100, 4)
    # All the variation is between speakers, so that drawing these gives the wider interval.
    assert by_speaker.low < by_utterance.low < report.wer.rate < by_utterance.high < by_speaker.high
    with pytest.raises(ValueError, match="takes at least two"):
        score(references, hypotheses).interval(by_speaker=True)
