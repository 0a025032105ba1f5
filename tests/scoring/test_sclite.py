"""NIST's sclite is asked itself: alignments, counts, tables, and what it does with words and ids."""

from __future__ import annotations

import random
import re
import shutil
import string
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from dstoolkit.errors import Faults
from dstoolkit.scoring import pra, sclite, speakers, trn
from dstoolkit.scoring.align import alignments, edit_counts
from dstoolkit.scoring.wer import Report, score

PROGRAM = shutil.which("sclite") or shutil.which("/usr/lib/sctk/bin/sclite")
needs_sclite = pytest.mark.skipif(PROGRAM is None, reason="no sclite here: install Debian's package 'sctk'")
SUMMARIES = ("Sum/Avg", "Mean", "S.D.", "Median")


def run_sclite(folder: Path, references: str, hypotheses: str) -> dict[str, str]:
    """What sclite writes for two trn files: its reports by their endings."""
    (folder / "ref.trn").write_text(references, encoding="utf-8")
    (folder / "hyp.trn").write_text(hypotheses, encoding="utf-8")
    files = ["-r", folder / "ref.trn", "trn", "-h", folder / "hyp.trn", "trn", "title"]
    options = ["-i", "rm", "-o", "sum", "pralign", "-O", folder, "-n", "x", "-f", "0"]
    subprocess.run([str(each) for each in (PROGRAM, *files, *options)], check=True, capture_output=True)
    return {name: (folder / f"x.{name}").read_text(encoding="utf-8") for name in ("pra", "sys")}


def written(report: Report) -> list[str]:
    """The report's ref.trn and hyp.trn."""
    keys = [sclite.trn_id(each.id, each.speaker) for each in report.utterances]
    sides = [[getattr(each, side) for each in report.utterances] for side in ("reference", "hypothesis")]
    return [trn.lines(zip(keys, side, strict=True)) for side in sides]


def check(folder: Path, refs: Mapping[str, str], hyps: Mapping[str, str], who: Mapping[str, str]) -> Report:
    """The alignments byte by byte, the table by speaker cell by cell."""
    report = score(refs, hyps, who, mode="sclite")
    theirs = run_sclite(folder, *written(report))
    assert pra.text(report, "title") == theirs["pra"]
    cells = (line.replace("|", " ").split() for line in theirs["sys"].splitlines())
    table = {row[0]: [cell.rstrip("*+") for cell in row[1:]] for row in cells if len(row) == 9}
    ours = {row[0]: [cell.rstrip("*") for cell in row[1:9]] for row in speakers.rows(report)}
    assert {name if name in SUMMARIES else name.lower(): row for name, row in ours.items()} == {
        name: row for name, row in table.items() if name != "SPKR"
    }
    return report


def drawn(generator: random.Random, alphabet: str, longest: int) -> str:
    return " ".join(generator.choices(alphabet, k=generator.randrange(longest)))


@needs_sclite
@pytest.mark.parametrize(
    ("alphabet", "longest", "differ"), [("ab", 12, False), ("abc", 30, True), ("aAbBcd", 60, True)]
)
def test_random_pairs_full_of_ties(tmp_path: Path, alphabet: str, longest: int, differ: bool) -> None:
    generator = random.Random(longest)
    keys = [f"s{speaker}-u{at}" for speaker in range(100) for at in range(generator.randrange(1, 41))]
    refs = {key: drawn(generator, alphabet, longest) or "a" for key in keys}
    report = check(tmp_path, refs, {key: drawn(generator, alphabet, longest) for key in keys}, by_speaker(keys))
    fewest = edit_counts(
        [each.reference for each in report.utterances], [each.hypothesis for each in report.utterances]
    )
    assert len(report.utterances) > 1000
    assert (report.wer.errors > fewest.sum()) == differ  # the definitions


def by_speaker(keys: Iterable[str]) -> dict[str, str]:
    return {key: key.partition("-")[0] for key in keys}


@needs_sclite
def test_all_short_pairs(tmp_path: Path) -> None:
    """Every pair of up to four letters of two: 961."""
    sides = ["".join(each) for n in range(5) for each in product("ab", n)]
    pairs = {f"s-{at}": pair for at, pair in enumerate((a, b) for a in sides for b in sides)}
    refs, hyps = ({key: " ".join(pair[side]) for key, pair in pairs.items()} for side in (0, 1))
    check(tmp_path, refs, hyps, dict.fromkeys(pairs, "s"))


def product(letters: str, n: int) -> list[str]:
    return [""] if n == 0 else [head + tail for head in letters for tail in product(letters, n - 1)]


@needs_sclite
def test_real_speech_with_errors(tmp_path: Path, corpora: Path) -> None:
    """What 125 people read in a test set, as a recogniser that mishears might write it."""
    folder = corpora / "speechocean"
    lines = [line for path in sorted(folder.rglob("text")) for line in path.read_text(encoding="utf-8").splitlines()]
    refs = {key: text for key, _, text in (line.partition(" ") for line in lines)}
    words = sorted({word for text in refs.values() for word in text.split()})
    generator = random.Random(0)
    hyps = {key: " ".join(misheard(text.split(), words, generator)) for key, text in refs.items()}
    report = check(tmp_path, refs, hyps, {key: key[:5] for key in refs})
    assert report.wer.errors > 100


def misheard(words: list[str], others: list[str], generator: random.Random) -> Iterable[str]:
    for word in words:
        draw = generator.random()
        if draw < 0.8:
            yield word
        elif draw < 0.95:
            yield from generator.choices(others, k=generator.randrange(1, 3))


@needs_sclite
def test_speakers_and_utterances_without_words(tmp_path: Path) -> None:
    refs = {"s-1": "a b", "s-2": "", "t-1": "", "t-2": "", "u-1": "x y z"}
    hyps = {"s-1": "a", "s-2": "c", "t-1": "oh", "t-2": "", "u-1": "x y z"}
    report = check(tmp_path, refs, hyps, by_speaker(refs))
    assert speakers.starred(report)


@needs_sclite
def test_ids_name_the_same_speakers(tmp_path: Path) -> None:
    """Speakers of all kinds: the id begins with them or not, they hold dashes or underlines, or capitals."""
    who = {"a-1_x": "a", "b_2": "b", "c_d-3": "c_d", "e_4": "other", "f5": "f", "g-h-6": "g-h", "I-7": "I", "j(k)": "j"}
    report = score(dict.fromkeys(who, "x y"), dict.fromkeys(who, "x"), who, mode="sclite")
    theirs = run_sclite(tmp_path, *written(report))["sys"]
    named = re.findall(r"\| (\S+) +\| +1 +2 \|", theirs)
    assert named == ["a", "b", "c_d", "other", "f", "g_h", "i", "j"]
    assert trn.read(tmp_path / "ref.trn").keys() == {sclite.trn_id(key, speaker) for key, speaker in who.items()}
    ours = [sclite.speaker(key) for key in trn.read(tmp_path / "ref.trn")]
    assert [str(each).lower() for each in ours] == named


def test_ids_without_a_speaker() -> None:
    assert sclite.speaker("u1") is None
    assert sclite.trn_id("u1", None) == "u1"
    assert sclite.trn_id("u1", "s") == "s-u1"


@needs_sclite
@pytest.mark.parametrize("mark", string.punctuation)
def test_what_is_refused_is_what_sclite_does_not_read_as_a_word(tmp_path: Path, mark: str) -> None:
    """Each mark alone, before, in and after letters: each such word must be found equal to itself and to no other."""
    words = [mark, f"{mark}x", f"x{mark}y", f"x{mark}"]
    accepted = [word for word in words if not sclite.markup({"u": word}, "ref")]
    others = ["x", "y", "xy", "x y", ""]
    refs = [*accepted, *(word for word in accepted for _ in others)]
    hyps = [*accepted, *(other for _ in accepted for other in others)]
    keys = [f"s-{at}" for at in range(len(refs))]
    lines = [trn.lines((key, [text]) for key, text in zip(keys, side, strict=True)) for side in (refs, hyps)]
    if accepted:
        found = re.findall(r"Scores: \(#C #S #D #I\) (\d+)", run_sclite(tmp_path, *lines)["pra"])
        assert [int(each) for each in found] == [1] * len(accepted) + [0] * len(accepted) * len(others)
    assert (len(accepted) < len(words)) == (mark in "{}@;*\\")


def test_markup_is_named_all_at_once() -> None:
    with pytest.raises(Faults) as caught:
        score({"a": "x { y", "b": "z @"}, {"a": "x", "b": "z*"}, mode="sclite", reference_name="ref")
    assert [str(each).partition(";")[0] for each in caught.value.faults] == [
        "ref: utterance 'a' has '{'",
        "ref: utterance 'b' has '@'",
        "hypotheses: utterance 'b' has 'z*'",
    ]
    assert score({"a": "x { y @"}, {"a": "x { y @"}).wer.errors == 0  # for us these are words


def test_case_of_ascii_alone_is_ignored() -> None:
    report = score({"a": "One É two"}, {"a": "oNE é TWO"}, mode="sclite")
    assert report.utterances[0].steps == "CSC"
    assert alignments([["One"]], [["one"]], "sclite").steps == ["S"]  # folding is ``score``'s
