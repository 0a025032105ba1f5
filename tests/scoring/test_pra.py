"""Alignments as sclite shows them: against what sclite 2.10 wrote for these lines. More in test_sclite.py."""

from __future__ import annotations

from dstoolkit.scoring import pra
from dstoolkit.scoring.wer import score

REFERENCES = {"s1_u1": "a b c", "s2_u1": "", "s1_u2": "The Cat sat", "s2-u2": "x y", "s2-u3": ""}
HYPOTHESES = {"s1_u1": "b c", "s2_u1": "oh", "s1_u2": "the bat sat on", "s2-u2": "", "s2-u3": ""}
SPEAKERS = {key: key[:2] for key in REFERENCES}

BY_SCLITE = """

\t\tDUMP OF SYSTEM ALIGNMENT STRUCTURE

System name:   hyp.trn

Speakers:$
    0:  s1
    1:  s2

Speaker sentences   0:  s1   #utts: 2
id: (s1_u1)
Scores: (#C #S #D #I) 2 0 1 0
REF:  A b c$
HYP:  * b c$
Eval: D    $

id: (s1_u2)
Scores: (#C #S #D #I) 2 1 0 1
REF:  the CAT sat **$
HYP:  the BAT sat ON$
Eval:     S       I $

Speaker sentences   1:  s2   #utts: 3
id: (s2_u1)
Scores: (#C #S #D #I) 0 0 0 1
REF:  **$
HYP:  OH$
Eval: I $

id: (s2-u2)
Scores: (#C #S #D #I) 0 0 2 0
REF:  X Y$
HYP:  * *$
Eval: D D$

id: (s2-u3)
Scores: (#C #S #D #I) 0 0 0 0


""".replace("$", " ")  # each line of an alignment ends with a blank


def test_as_sclite_wrote_it() -> None:
    assert pra.text(score(REFERENCES, HYPOTHESES, SPEAKERS, mode="sclite"), "hyp.trn") == BY_SCLITE


def lines(reference: str, hypothesis: str) -> list[str]:
    text = pra.text(score({"u": reference}, {"u": hypothesis}), "t")
    return [line.rstrip() for line in text.splitlines() if line.startswith(("REF", "HYP", "Eval", "Attr"))]


def test_where_case_counts_capitals_mark_errors_unless_the_texts_have_their_own() -> None:
    assert lines("да нет", "да не") == ["Attributes: Case_sensitve", "REF:  да НЕТ", "HYP:  да НЕ", "Eval:    S"]
    assert lines("Da nein", "da nein")[1:] == ["REF:  Da nein", "HYP:  da nein", "Eval: S"]


def test_words_stand_below_each_other_in_a_terminal() -> None:
    assert lines("日本 b", "日 b")[1:] == ["REF:  日本 b", "HYP:  日   b", "Eval: S"]
