"""Reports: every figure where it belongs, and alignments whose columns stand one below the other."""

from __future__ import annotations

import json

from dstoolkit.scoring import report as reports
from dstoolkit.scoring.align import align
from dstoolkit.scoring.wer import Report, score


def scored() -> Report:
    references = {"u1": "a black cat sat", "u2": "four", "u3": "да нет", "u4": ""}
    hypotheses = {"u1": "the cat sat on", "u2": "four", "u3": "да", "u4": "oh"}
    return score(references, hypotheses, {"u1": "s1", "u2": "s1", "u3": "s2", "u4": "s3"})


def test_the_head_is_a_table_to_paste() -> None:
    lines = reports.head(scored(), "A note.").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert cells[0] == ["", "%", "95 % interval", "errors", "of", "sub", "del", "ins"]
    assert cells[2][:2] + cells[2][3:] == ["WER", "71.43", "5", "7", "1", "2", "2"]
    assert cells[4] == ["SER", "75.00", "", "3", "4", "", "", ""]
    assert len({len(line) for line in lines if line.startswith("|")}) == 1
    assert lines[-1].startswith("Interval by bootstrap over 4 utterances; over 3 speakers: ")
    assert lines[-1].endswith(". A note.")


def test_alignments_stand_in_columns() -> None:
    steps = align(["a", "black", "cat", "sat"], ["the", "cat", "sat", "on"])
    assert reports.alignment(steps) == (
        "    REF:  a   black cat sat **\n"  #
        "    HYP:  the ***** cat sat on\n"
        "    EVAL: S   D             I\n"
    )


def test_long_alignments_go_on_below() -> None:
    steps = align(["word"] * 30, ["word"] * 30)
    blocks = reports.alignment(steps, width=50).split("\n\n")
    assert len(blocks) == 3
    assert all(len(line) <= 60 for block in blocks for line in block.splitlines())
    assert sum(block.splitlines()[0].count("word") for block in blocks) == 30


def test_wide_and_combining_characters_take_their_columns() -> None:
    assert [reports.columns(word) for word in ("abc", "שָׁלוֹם", "日本")] == [3, 4, 4]


def test_the_text_holds_speakers_errors_and_the_worst() -> None:
    text = reports.text(scored())
    assert "## Speakers" in text
    assert "u3, speaker s2: WER 50.00 %" in text
    assert "u4, speaker s3: WER inf %" in text
    assert "u2" not in text  # nothing wrong there
    assert text.index("u1, speaker") < text.index("u4, speaker") < text.index("u3, speaker")


def test_a_bar_in_a_word_ends_no_cell() -> None:
    text = reports.text(score({"u": "a|b c"}, {"u": "c"}))
    assert [line for line in text.splitlines() if "a\\|b" in line] == ["| D | a\\|b      |            |     1 |"]


def test_a_perfect_score_has_no_list_of_errors() -> None:
    text = reports.text(score({"u": "a"}, {"u": "a"}))
    assert "Interval by bootstrap over 1 utterance. " in text
    assert "Most frequent" not in text
    assert "most errors" not in text
    assert "Speakers" not in text


def test_the_json_holds_every_figure() -> None:
    report = scored()
    found = json.loads(reports.as_json(report, "A note."))
    assert found["wer"]["errors"] == report.wer.errors == 5
    assert found["wer"]["rate"] == report.wer.rate
    assert found["cer"]["reference_length"] == len("a black cat sat") + len("four") + len("да нет")
    assert found["ser"] == {"rate": 0.75, "errors": 3, "reference_length": 4}
    assert found["intervals"]["utterances"]["low"] == report.interval().low
    assert found["intervals"]["speakers"]["units"] == 3
    assert found["speakers"]["s3"]["wer"]["rate"] is None  # errors against no reference word
    assert [each["steps"] for each in found["utterances"]] == ["SDCCI", "C", "CD", "I"]
    assert {"kind": "substitution", "reference": "a", "hypothesis": "the", "count": 1} in found["errors"]
    assert found["note"] == "A note."


def test_the_definition_of_an_alignment_is_named() -> None:
    report = score({"u": "a b"}, {"u": "A b"}, mode="sclite")
    assert "Alignment sclite: substitutions cost 4, deletions and insertions 3;" in reports.head(report)
    assert json.loads(reports.as_json(report))["alignment"] == "sclite"
    assert "Alignment levenshtein: the fewest edits" in reports.head(scored())
    assert json.loads(reports.as_json(scored()))["alignment"] == "levenshtein"


def test_token_errors_have_their_row() -> None:
    report = score({"u": "ab"}, {"u": "a"}, {"u": "s"}, tokens=({"u": [1, 2]}, {"u": [1]}))
    assert "| TER |  50.00 |" in reports.head(report)
    found = json.loads(reports.as_json(report))
    assert found["ter"]["deletions"] == found["speakers"]["s"]["ter"]["deletions"] == 1
    assert found["utterances"][0]["ter"]["reference_length"] == 2
    assert "TER" not in reports.head(scored())
    assert "ter" not in json.loads(reports.as_json(scored()))


def test_of_a_book_the_part_with_the_first_error_is_shown() -> None:
    words = [f"w{at}" for at in range(5000)]
    text = reports.text(score({"u": " ".join(words)}, {"u": " ".join(words[:3000] + words[3001:])}))
    assert "Steps 2901 to 3900 of 5000." in text
    assert " w3000 " in text
    assert " w2899 " not in text
    assert len(text.splitlines()) < 400


def test_confusions_are_counted_over_utterances() -> None:
    report = score({"u": "a b a", "v": "a"}, {"u": "x b x", "v": "x"})
    ((step, count),) = reports.ranked(reports.confusions(report))
    assert (step.reference, step.hypothesis, count) == ("a", "x", 3)
