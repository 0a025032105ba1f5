"""MAPSSWE: cases by hand, a slow twin that reads words one by one, and NIST's sc_stats on sclite's alignments."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, ttest_1samp

from dstoolkit.scoring.align import alignments
from dstoolkit.scoring.significance import BOUNDARY, mapsswe, segments


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("CCCC", "CCCC", []),
        ("SCCC", "CCCC", [(1, 0)]),
        ("SCCS", "CCCC", [(1, 0), (1, 0)]),  # two good words part
        ("SCS", "CCC", [(2, 0)]),  # one does not
        ("SCCS", "CDCC", [(2, 1)]),  # good in one system only
        ("SCICS", "CCCC", [(3, 0)]),  # an insertion between them
        ("SCCIC", "CCCC", [(1, 0), (1, 0)]),
        ("ISCC", "SCC", [(2, 1)]),
        ("CCI", "CCI", [(1, 1)]),  # behind the last word
        ("CC", "CCII", [(0, 2)]),
        ("", "II", [(0, 2)]),
        ("", "", []),
    ],
)
def test_segments_of_an_utterance(first: str, second: str, expected: list[tuple[int, int]]) -> None:
    assert [tuple(each) for each in segments([first], [second]).tolist()] == expected


def test_segments_end_with_their_utterance() -> None:
    assert segments(["CS", "SC", "C"], ["CIC", "CC", "D"]).tolist() == [[1, 1], [1, 0], [0, 1]]


def test_published_definition_by_hand() -> None:
    """Differences 2, 0, -1, 1, 2: mean 0.8, variance ((1.2² + 0.8² + 1.8² + 0.2² + 1.2²) / 4) = 1.7."""
    first = ["SS", "S", "C", "D", "IIC"]
    second = ["CC", "D", "S", "C", "C"]
    found = mapsswe(first, second)
    assert (found.segments, found.errors) == (5, (6, 2))
    assert found.mean == pytest.approx(0.8)
    assert found.std == pytest.approx(1.7**0.5)
    assert found.z == pytest.approx(0.8 / (1.7 / 5) ** 0.5)
    assert found.p == pytest.approx(2 * norm.sf(0.8 / (1.7 / 5) ** 0.5))
    assert not found.significant()
    assert found.significant(0.8)


def test_without_differences_or_variance() -> None:
    assert mapsswe(["CC"], ["CC"]).p == 1.0
    alike = mapsswe(["SCCS"], ["DCCD"])
    assert (alike.segments, alike.std, alike.z, alike.p) == (2, 0.0, 0.0, 1.0)
    always = mapsswe(["SCCS"], ["CCCC"])
    assert (always.mean, always.std, always.z, always.p) == (1.0, 0.0, None, None)
    assert not always.significant()
    assert mapsswe(["S"], ["C"]).std is None


def test_references_of_different_lengths() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        segments(["CC"], ["CCS"])


def slow_segments(first: str, second: str) -> list[tuple[int, int]]:
    """Word by word: the errors since the last boundary are a segment once enough good words follow."""

    def columns(steps: str) -> list[tuple[int, bool]]:
        """For each word and the end: how many words are inserted before it, and whether it is correct."""
        found, inserted = [], 0
        for letter in steps:
            if letter == "I":
                inserted += 1
            else:
                found.append((inserted, letter == "C"))
                inserted = 0
        return [*found, (inserted, True)]

    done, errors, good = [], [0, 0], 0
    for words in zip(columns(first), columns(second), strict=True):
        if any(inserted for inserted, _ in words):
            if good >= BOUNDARY and any(errors):
                done.append(tuple(errors))
                errors = [0, 0]
            good = 0
        if all(correct for _, correct in words):
            errors = [have + inserted for have, (inserted, _) in zip(errors, words, strict=True)]
            good += 1
            continue
        if good >= BOUNDARY and any(errors):
            done.append(tuple(errors))
            errors = [0, 0]
        errors = [have + inserted + (not correct) for have, (inserted, correct) in zip(errors, words, strict=True)]
        good = 0
    return [*done, tuple(errors)] if any(errors) else done


def random_steps(generator: random.Random, utterances: int, error: float) -> tuple[list[str], list[str]]:
    """Random steps of two systems for the same references."""
    lengths = [generator.randint(0, 12) for _ in range(utterances)]

    def steps(length: int) -> str:
        word = "".join(generator.choice("SDI") if generator.random() < error else "C" for _ in range(length * 2))
        kept, words = "", 0
        for letter in word:
            words += letter != "I"
            if words > length:
                break
            kept += letter
        return kept + "C" * (length - sum(each != "I" for each in kept)) + "I" * (generator.random() < error)

    return [steps(each) for each in lengths], [steps(each) for each in lengths]


@given(st.integers(0, 10**6), st.floats(0.0, 0.6))
@settings(deadline=None)
def test_as_word_by_word_and_alike_in_either_order(seed: int, error: float) -> None:
    first, second = random_steps(random.Random(seed), 8, error)
    expected = [each for pair in zip(first, second, strict=True) for each in slow_segments(*pair)]
    found = segments(first, second)
    assert [tuple(each) for each in found.tolist()] == expected
    assert found.sum(axis=0).tolist() == [sum(len(s) - s.count("C") for s in side) for side in (first, second)]
    assert segments(second, first)[:, ::-1].tolist() == found.tolist()
    one, other = mapsswe(first, second), mapsswe(second, first)
    assert (one.segments, one.p) == (other.segments, other.p)
    assert one.mean == pytest.approx(-other.mean)


def test_z_is_the_t_statistic_of_the_differences() -> None:
    first, second = random_steps(random.Random(5), 200, 0.2)
    differences = np.diff(segments(first, second), axis=1)[:, 0]
    assert mapsswe(first, second).z == pytest.approx(-ttest_1samp(differences, 0.0).statistic)


RESULT = re.compile(r"# segs: (\d+)\).*mean: *(\S+)\) \(std dev: *(\S+)\) \(Z Stat: *(\S+)\) \(Stat Diff: (\w+)\)")
UNIFIED = re.compile(r"\|\s*MP\s*\|\|\s*one\s*\|\s*\|\s*(\S+)\s+(\S+)")
STEP = re.compile(r"(?:^|:)([CSDI]),")


def sctk(name: str) -> str:
    program = shutil.which(name) or shutil.which(f"/usr/lib/sctk/bin/{name}")
    if not program:
        pytest.skip(f"{name} of NIST's SCTK (Debian package sctk) is not installed")
    return program


def aligned(folder: Path, name: str, references: list[str], hypotheses: list[str]) -> str:
    """sclite's alignments as SGML."""
    for file, texts in (("ref", references), (name, hypotheses)):
        lines = (f"{text} (s{at % 5}-u{at:04d})\n" for at, text in enumerate(texts))
        (folder / f"{file}.trn").write_text("".join(lines))
    command = [sctk("sclite"), "-i", "rm", "-r", "ref.trn", "trn", "-h", f"{name}.trn", "trn", name, "-o", "sgml"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return (folder / f"{name}.trn.sgml").read_text()


def steps_of(sgml: str) -> list[str]:
    """Letters by utterance, in order of their ids."""
    lines = sgml.splitlines()
    found = {
        line.split('id="(')[1].split(")")[0][-5:]: "".join(STEP.findall(lines[at + 1]))
        for at, line in enumerate(lines)
        if line.startswith("<PATH")
    }
    return [found[key] for key in sorted(found)]


def corrupt(generator: random.Random, words: list[str], vocabulary: list[str], error: float) -> list[str]:
    out = []
    for word in words:
        draw = generator.random()
        if draw < error / 4:
            out.append(generator.choice(vocabulary))
        if draw < error / 2:
            out.append(word)
        elif draw < error * 3 / 4:
            out.append(generator.choice(vocabulary))
        elif draw >= error:
            out.append(word)
    return [*out, generator.choice(vocabulary)] if generator.random() < error / 3 else out


@pytest.mark.parametrize(
    ("seed", "utterances", "size", "errors"),
    [
        (1, 40, 3, (0.3, 0.3)),  # few words: many ties and insertions
        (2, 60, 4, (0.2, 0.5)),
        (3, 120, 200, (0.10, 0.16)),  # as of real systems
        (4, 150, 500, (0.05, 0.05)),
        (5, 200, 30, (0.4, 0.45)),
        (6, 80, 26, (0.02, 0.10)),
    ],
)
def test_as_sc_stats(tmp_path: Path, seed: int, utterances: int, size: int, errors: tuple[float, float]) -> None:
    generator = random.Random(seed)
    vocabulary = [f"w{at}" for at in range(size)]
    references = [[generator.choice(vocabulary) for _ in range(generator.randint(1, 15))] for _ in range(utterances)]
    heard = [[corrupt(generator, each, vocabulary, error) for each in references] for error in errors]
    spoken = list(map(" ".join, references))
    sgml = [
        aligned(tmp_path, name, spoken, list(map(" ".join, each)))
        for name, each in zip(("one", "two"), heard, strict=True)
    ]
    first, second = (alignments(references, each, "sclite").steps for each in heard)
    assert [first, second] == list(map(steps_of, sgml))
    command = [sctk("sc_stats"), "-p", "-t", "mapsswe", "-v", "-n", "-"]
    shown = [
        subprocess.run(each, input="".join(sgml).encode(), check=True, capture_output=True, cwd=tmp_path).stdout.decode(
            "latin-1"
        )
        for each in (command, [*command, "-u"])  # the second leaves files where it runs
    ]
    count, *figures, differ = RESULT.search(shown[0]).groups()  # type: ignore[union-attr]
    verdict, p = UNIFIED.search(shown[1]).groups()  # type: ignore[union-attr]
    found = mapsswe(first, second)
    assert found.segments == int(count)
    assert [found.mean, found.std, found.z] == pytest.approx([float(each) for each in figures], abs=5.1e-4)
    assert found.significant() == (differ == "Yes") == (verdict != "~")
    assert found.z is not None
    looked_up = 2 * norm.sf(int(abs(found.z) * 100) / 100)  # Z down to hundredths, p to thousandths
    assert looked_up < 0.001 if p == "<0.001" else looked_up == pytest.approx(float(p), abs=6e-4)
