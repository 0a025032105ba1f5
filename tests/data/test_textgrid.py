"""TextGrids, read back by a parser of their own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstoolkit.data import textgrid
from dstoolkit.interfaces import Word
from tests.data.textgrids import assert_sound


def test_a_file_as_praat_writes_it():
    written = textgrid.render(1.5, {"words": [Word("so", 0.25, 1.0, 0.9)]})
    assert written.splitlines()[:12] == [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        "xmax = 1.5",
        "tiers? <exists>",
        "size = 1",
        "item []:",
        "    item [1]:",
        '        class = "IntervalTier"',
        '        name = "words"',
        "        xmin = 0",
    ]
    assert written.endswith('            text = ""\n')


def test_pauses_stand_between_the_words():
    words = [Word("a", 0.0, 0.5, 1), Word("b", 0.5, 0.75, 1), Word("c", 1.0, 2.0, 1)]
    tiers = assert_sound(textgrid.render(2.0, {"words": words, "none": []}))
    assert tiers["words"] == [(0, 0.5, "a"), (0.5, 0.75, "b"), (0.75, 1, ""), (1, 2, "c")]
    assert tiers["none"] == [(0, 2, "")]


def test_words_without_length_are_left_out():
    tiers = assert_sound(textgrid.render(1.0, {"words": [Word("a", 0.5, 1.0, 1), Word("b", 1.0, 1.0, 1)]}))
    assert tiers["words"] == [(0, 0.5, ""), (0.5, 1, "a")]


@st.composite
def tiers_of_words(draw):
    edges = sorted(draw(st.sets(st.integers(0, 400), min_size=2, max_size=20)))
    times = [edge * 0.04 for edge in edges]
    names = draw(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), min_size=1), min_size=10))
    words = [
        Word(name, *span, 1) for name, span in zip(names, zip(times[::2], times[1::2], strict=False), strict=False)
    ]
    return words, times[-1] + draw(st.sampled_from([0.0, 0.013]))


@given(tiers_of_words())
def test_whatever_the_words(case):
    words, duration = case
    tiers = assert_sound(textgrid.render(duration, {'the "words"': words}))
    found = [each for each in tiers['the "words"'] if each[2]]
    assert [each[2] for each in found] == [each.text for each in words]
    assert [each[0] for each in found] == pytest.approx([each.start for each in words], abs=1e-6)
    assert [each[1] for each in found] == pytest.approx([each.end for each in words], abs=1e-6)


def test_file_names():
    assert textgrid.file_name("u-1") == "u-1.TextGrid"
    assert textgrid.file_name("a/../b") == "a%2F..%2Fb.TextGrid"
