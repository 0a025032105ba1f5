"""CTM lines, read back by their definition."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstoolkit.data import ctm
from dstoolkit.errors import DstoolkitError
from dstoolkit.interfaces import Word


def lines(place, words):
    return written([(place, words)])


def written(utterances):
    file = io.StringIO()
    writer = ctm.Writer(file)
    for each in utterances:
        writer.add(*each)
    writer.close()
    return file.getvalue()


WORDS = [Word("yes", 0.8, 1.36, 0.92849), Word("no", 1.36, 1.36, 1.0), Word("so", 2.0, 2.5004, 0.0004)]


def test_lines_as_the_definition_has_them():
    assert lines(ctm.Place("u1", 0.0), WORDS) == (
        "u1 1 0.800 0.560 yes 0.928\n"
        "u1 1 1.360 0.000 no 1.000\n"
        "u1 1 2.000 0.500 so 0.000\n"
    )  # fmt: skip
    assert lines(ctm.Place("rec", 12.25), WORDS[:1]) == "rec 1 13.050 0.560 yes 0.928\n"
    assert lines(ctm.Place("u1", 0.0), []) == ""


@given(st.floats(0, 1e5), st.lists(st.floats(0, 1e3), min_size=2, max_size=2).map(sorted))
def test_start_and_duration_add_up_to_the_end(offset, times):
    _, _, start, duration, _, _ = lines(ctm.Place("r", offset), [Word("w", *times, 1.0)]).split()
    assert float(start) == pytest.approx(offset + times[0], abs=0.00051)
    assert float(start) + float(duration) == pytest.approx(offset + times[1], abs=0.00051)
    assert float(duration) >= 0


def test_words_that_meet_meet_as_written():
    first, second = lines(ctm.Place("r", 0.0006), [Word("a", 0.1, 0.2, 1), Word("b", 0.2, 0.3, 1)]).splitlines()
    begin, length = first.split()[2:4]
    assert float(begin) + float(length) == pytest.approx(float(second.split()[2]), abs=1e-9)


def test_utterances_that_overlap_are_put_in_order_within_their_recording():
    first, second = [Word("a", 0.0, 0.2, 1), Word("b", 9.0, 9.2, 1)], [Word("c", 0.0, 0.2, 1), Word("d", 9.5, 9.6, 1)]
    found = written([(ctm.Place("r", 10), first), (ctm.Place("r", 15), second), (ctm.Place("s", 0), first)])
    assert [(row.split()[0], row.split()[4]) for row in found.splitlines()] == [
        *(("r", each) for each in "acbd"),
        *(("s", each) for each in "ab"),
    ]


def test_places_without_segments_are_the_utterances(tmp_path):
    assert ctm.places(tmp_path, ["a", "b"]) == {"a": ("a", 0.0), "b": ("b", 0.0)}


def test_places_by_segments(tmp_path):
    (tmp_path / "segments").write_text("a rec2 0.5 1.5\nb rec1 3 4\nc rec1 1.25 -1\nd rec1 9 10\n")
    places = ctm.places(tmp_path, ["a", "b", "c"])
    assert places == {"a": ("rec2", 0.5), "b": ("rec1", 3.0), "c": ("rec1", 1.25)}
    assert sorted(places, key=lambda each: places[each]) == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("segments", "said"),
    [
        ("a rec 0.5 1.5\n", "segments: no utterance 'b'"),
        ("a rec soon 1.5\nb rec 2 3\n", "segments:1: start 'soon'; expected seconds"),
        ("a rec 0.5\nb rec 2 3\n", "segments:1: 3 fields in 'a rec 0.5'"),
    ],
)
def test_faulty_segments(tmp_path, segments, said):
    (tmp_path / "segments").write_text(segments)
    with pytest.raises(DstoolkitError) as raised:
        ctm.places(tmp_path, ["a", "b"])
    assert said in str(raised.value)
