"""ARPA files: what is read, what is refused and how that is said, and that what is written is read again."""

from __future__ import annotations

import contextlib
import gzip
import math
import random
import re
from pathlib import Path

import kenlm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.decoding import arpa_lines, arpa_reader, arpa_writer
from dstoolkit.decoding.arpa import Arpa, Level
from dstoolkit.errors import DataError
from tests.decoding import models

TEXT = """\\data\\
ngram 1=5
ngram 2=3
ngram 3=1

\\1-grams:
-2\t<unk>
-99\t<s>\t-0.30103
-1.0\t</s>
-0.5\ta\t-0.2
-0.6\tñ\t0.1

\\2-grams:
-0.3\t<s> a\t-5e-2
-0.25\ta ñ\t-0.07
-0.2\tñ </s>

\\3-grams:
-0.1\t<s> a ñ

\\end\\
"""


def read(folder: Path, text: str | bytes) -> Arpa:
    path = folder / "lm.arpa"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return arpa_reader.read(path)


def contents(arpa: Arpa) -> list[dict[tuple[str, ...], tuple[float, float]]]:
    """By order, n-grams with their figures."""
    found = []
    for level in arpa.levels:
        backoffs = np.zeros(len(level.probs)) if level.backoffs is None else level.backoffs
        ngrams = (tuple(arpa.words[each] for each in row) for row in level.words.tolist())
        found.append(dict(zip(ngrams, zip(level.probs.tolist(), backoffs.tolist(), strict=True), strict=True)))
    return found


def approximately(levels: list[dict[tuple[str, ...], tuple[float, float]]]) -> list[dict[tuple[str, ...], object]]:
    return [{words: pytest.approx(figures, abs=2e-7, rel=2e-7) for words, figures in each.items()} for each in levels]


def test_a_file_is_read(tmp_path: Path) -> None:
    arpa = read(tmp_path, TEXT)
    assert arpa.words == ["<unk>", "<s>", "</s>", "a", "ñ"]
    assert contents(arpa) == approximately(
        [
            {
                ("<unk>",): (-2, 0),
                ("<s>",): (-99, -0.30103),
                ("</s>",): (-1, 0),
                ("a",): (-0.5, -0.2),
                ("ñ",): (-0.6, 0.1),
            },
            {("<s>", "a"): (-0.3, -0.05), ("a", "ñ"): (-0.25, -0.07), ("ñ", "</s>"): (-0.2, 0)},
            {("<s>", "a", "ñ"): (-0.1, 0)},
        ]
    )
    assert [arpa.where(order, 0) for order in (1, 2, 3)] == [f"{tmp_path / 'lm.arpa'}:{line}" for line in (7, 14, 19)]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\t", "  "),
        lambda text: text.replace("a ñ", "a\tñ"),
        lambda text: "\n\n" + text + "\n\n",
        lambda text: text.removesuffix("\n"),
        lambda text: text.replace("-0.2\tñ </s>", "-.2 \tñ \t</s>\t+0 ").replace("-1.0", "-1"),
        lambda text: text.replace("-0.1\t<s> a ñ", "-1E-1\t<s> a ñ\t-0"),
        lambda text: text.replace("ngram 1=5", "ngram 1 = 5").replace("\n\\2-grams", "\n\n\n\\2-grams"),
    ],
    ids=["CRLF", "blanks", "tabs", "blank lines", "no last line feed", "signs", "exponent", "spacing"],
)
def test_other_ways_to_write_the_same(change: object, tmp_path: Path) -> None:
    assert contents(read(tmp_path, change(TEXT))) == contents(read(tmp_path, TEXT))  # type: ignore[operator]


def test_a_gzip_file_is_the_same(tmp_path: Path) -> None:
    assert contents(read(tmp_path, gzip.compress(TEXT.encode(), mtime=0))) == contents(read(tmp_path, TEXT))


@pytest.mark.parametrize("block", [1, 2, 7, 50, 200])
def test_blocks_may_end_anywhere(block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = contents(read(tmp_path, TEXT))
    monkeypatch.setattr(arpa_reader, "BLOCK", block)
    assert contents(read(tmp_path, TEXT)) == whole
    assert contents(read(tmp_path, gzip.compress(TEXT.encode(), mtime=0))) == whole
    with pytest.raises(DataError, match=r"lm.arpa:15: 'b' in "):
        read(tmp_path, TEXT.replace("-0.25", "b"))


@pytest.mark.parametrize(
    ("unigrams", "words", "unknown"),
    [
        (["-1 a", "-2 <unk> -0.5", "-3 b"], ["<unk>", "a", "b"], (-2, -0.5)),
        (["-1 a", "-2 <UNK> -0.5", "-3 b"], ["<unk>", "a", "b"], (-2, -0.5)),
        (["-1 a", "-3 b"], ["<unk>", "a", "b"], (-100, 0)),
        (["-1 a", "-3 b", "-4 <UNK>", "-2 <unk>"], ["<unk>", "a", "b", "<UNK>"], (-2, 0)),
    ],
)
def test_the_unknown_word(unigrams: list[str], words: list[str], unknown: tuple[float, float], tmp_path: Path) -> None:
    head = f"\\data\\\nngram 1={len(unigrams)}\nngram 2=1\n\n\\1-grams:\n"
    arpa = read(tmp_path, head + "\n".join(unigrams) + "\n\n\\2-grams:\n-1.5 a b\n\n\\end\\\n")
    assert arpa.words == words
    assert contents(arpa)[0][("<unk>",)] == unknown
    assert contents(arpa)[0][("b",)] == (-3, 0)
    assert contents(arpa)[1] == {("a", "b"): (-1.5, 0)}


CASES = [
    ("", "lm.arpa: an empty file; expected an ARPA language model"),
    ("hello\n", r"lm.arpa:1: 'hello'; expected '\data\'"),
    ("\n\n", r"lm.arpa:3: the file ends; expected '\data\'"),
    (TEXT.replace("ngram 2=3", "ngram 3=3"), "lm.arpa:3: 'ngram 3=3'; expected 'ngram 2=' and a count"),
    (TEXT.replace("ngram 2=3", "ngram 2=x"), "lm.arpa:3: 'ngram 2=x'; expected 'ngram 2=' and a count"),
    ("\\data\\\n\n\\1-grams:\n", "lm.arpa:2: no counts of n-grams; expected 'ngram 1='"),
    (TEXT.replace("ngram 2=3", "ngram 2=4"), "lm.arpa:3: 'ngram 2=4', but 3 of them are there"),
    (TEXT.replace("ngram 2=3", "ngram 2=2"), "lm.arpa:16: one 2-gram more; expected no more than the 2 of line 3"),
    (TEXT.replace("ngram 1=5", "ngram 1=99999999999999999999"), "lm.arpa:2: 'ngram 1=99999999999999999999', but 5"),
    (TEXT.replace("\\2-grams:", "\\4-grams:"), r"lm.arpa:13: '\\4-grams:'; expected '\2-grams:'"),
    (TEXT.replace("-0.25\ta", "x\ta"), r"lm.arpa:15: 'x' in 'x\ta ñ\t-0.07'; expected a log10 figure"),
    (TEXT.replace("-0.25\ta", "nan\ta"), "lm.arpa:15: 'nan' in "),
    (TEXT.replace("-0.25\ta", "-1e99\ta"), "lm.arpa:15: '-1e99' in "),
    (TEXT.replace("-0.25\ta", "-0.2.5\ta"), "lm.arpa:15: '-0.2.5' in "),
    (TEXT.replace("-0.25\ta", "-1e\ta"), "lm.arpa:15: '-1e' in "),
    (TEXT.replace("-0.07", "0,7"), "lm.arpa:15: '0,7' in "),
    (TEXT.replace("-0.25\ta", "0.25\ta"), "lm.arpa:15: log10 probability 0.25; expected 0 or less"),
    (TEXT.replace("-0.5\ta", "0.5\ta"), "lm.arpa:10: log10 probability 0.5; expected 0 or less"),
    (TEXT.replace("-0.25\ta ñ\t-0.07", "-0.25\ta"), "lm.arpa:15: 2 fields in '-0.25\\ta'; expected a log10 prob"),
    (TEXT.replace("-0.25\ta ñ", "-0.25\ta ñ a"), "lm.arpa:15: 5 fields in "),
    (TEXT.replace("-0.5\ta", "-0.5"), "lm.arpa:14: word 'a'; expected one of"),  # line 10 has the word '-0.2'
    (TEXT.replace("-2\t<unk>", "-2"), "lm.arpa:7: 1 field in '-2'; expected a log10 probability, 1 word and"),
    (TEXT.replace("a ñ\t", "a z\t"), r"lm.arpa:15: word 'z'; expected one of those of '\1-grams:'"),
    (TEXT.replace("<s> a ñ", "<s> a ñ\t-0.5"), "lm.arpa:19: backoff -0.5; expected none for order 3, the highest"),
    (TEXT.replace("-0.6\tñ", "-0.6\ta"), "lm.arpa:11: word 'a' again; expected each word once; it is on line 10 too"),
    (TEXT.replace("\\end\\\n", ""), r"lm.arpa:21: the file ends; expected '\end\'; it may be cut short"),
    (TEXT[: TEXT.index("-0.25")], "lm.arpa:3: 'ngram 2=3', but 1 of them are there"),
    (TEXT + "more\n", r"lm.arpa:22: 'more'; expected nothing after '\end\'"),
    (TEXT.encode().replace("ñ".encode(), b"\xf1"), "lm.arpa:11: '\ufffd'; expected UTF-8 text"),
    (TEXT.encode("utf-16"), "lm.arpa:1: "),
    (gzip.compress(TEXT.encode(), mtime=0)[:-20], "lm.arpa: a broken gzip file"),
    (gzip.compress(TEXT.encode(), mtime=0)[:30] + b"x" * 60, "lm.arpa: a broken gzip file"),
    (b"\x1f\x8bno", "lm.arpa: a broken gzip file"),
]


@pytest.mark.parametrize(("text", "said"), CASES, ids=[each[1][:40] for each in CASES])
def test_a_bad_file_is_refused_by_its_line(text: str | bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read(tmp_path, text)
    assert f"{tmp_path}/{said}" in str(error.value)


def test_a_line_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arpa_reader, "BLOCK", 100)
    monkeypatch.setattr(arpa_reader, "LONGEST", 1000)
    with pytest.raises(DataError, match=r"lm.arpa:1: a line of more than 1000 bytes"):
        read(tmp_path, "x" * 5000)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(TEXT.encode()) - 1), st.integers(0, 8), st.binary(max_size=8))
def test_whatever_is_altered_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, at: int, length: int, put: bytes
) -> None:
    text = TEXT.encode()
    with contextlib.suppress(DataError):
        arpa = read(tmp_path_factory.getbasetemp(), text[:at] + put + text[at + length :])
        assert [len(each.probs) for each in arpa.levels[1:]] == [3, 1][: arpa.order - 1]


FIGURES = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@settings(deadline=None, max_examples=200)
@given(st.from_regex(FIGURES, fullmatch=True) | st.text("0123456789+-.eE", max_size=12))
def test_numbers_are_those_of_python(text: str) -> None:
    block = np.frombuffer(text.encode() + b"\n", dtype=np.uint8)
    found = arpa_lines.number(block, 0, len(text))
    if FIGURES.fullmatch(text) and abs(float(text)) <= arpa_lines.LARGEST_FIGURE:
        assert found == pytest.approx(float(text), rel=1e-14, abs=1e-300)
    else:
        assert math.isnan(found)


@pytest.mark.parametrize("name", ["lm.arpa", "lm.arpa.gz"])
def test_what_is_written_is_read_again_by_us_and_by_kenlm(name: str, tmp_path: Path) -> None:
    model = models.random_model(random.Random(2), 4, 30, 200)
    arpa = arpa_reader.read(models.write(model, tmp_path / "first.arpa"))
    arpa_writer.write(arpa, tmp_path / name)
    assert contents(arpa_reader.read(tmp_path / name)) == approximately(contents(arpa))
    assert (tmp_path / name).read_bytes().startswith(b"\x1f\x8b" if name.endswith("gz") else b"\\data\\\nngram 1=33\n")
    again, first = (kenlm.Model(str(tmp_path / each)) for each in (name, "first.arpa"))
    assert again.score("w1 w2 w3 w4 w5 x") == pytest.approx(first.score("w1 w2 w3 w4 w5 x"), abs=1e-5)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (-1.0, "-1"),
        (0.0, "0"),
        (-0.0, "0"),
        (-0.30103, "-0.30103"),
        (-99.0, "-99"),
        (-1e-9, "0"),
        (-12.0625, "-12.0625"),
    ],
)
def test_figures_are_written_short(value: float, written: str, tmp_path: Path) -> None:
    level = Level(np.array([[0]], dtype=np.int32), np.array([value], dtype=np.float32))
    arpa_writer.write(Arpa(["<unk>"], [level]), tmp_path / "lm.arpa")
    assert (tmp_path / "lm.arpa").read_text() == f"\\data\\\nngram 1=1\n\n\\1-grams:\n{written}\t<unk>\n\n\\end\\\n"


def test_the_same_model_is_written_as_the_same_bytes(tmp_path: Path) -> None:
    arpa = read(tmp_path, TEXT)
    for name in ("a.arpa.gz", "b.arpa.gz"):
        arpa_writer.write(arpa, tmp_path / name)
    assert (tmp_path / "a.arpa.gz").read_bytes() == (tmp_path / "b.arpa.gz").read_bytes()
