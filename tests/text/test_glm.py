"""Substitution files: cases by hand, a slow twin, and NIST's rfilter1 on random rules."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from dstoolkit.errors import DataError, Faults
from dstoolkit.text import glm
from dstoolkit.text.glm import Rule, Rules

RULES = """\
;; Rules for a test
* name "test.glm"
* desc "as NIST's (GLM) say"
* format = 'NIST1'
* max_nrules = '2500'
* copy_no_hit = 'T'
* case_sensitive = 'F'

GONNA     => GOING TO
AIRCRAFT  => AIR CRAFT / [ ] __ [ ]  ;; a whole word
MR.       => MISTER / [ ] __ [ ]
'EM       => THEM ;; a quotation mark is a letter
FALKNER   => FAULKNER / [WILLIAM ] __  ;; after William alone
T.        => TEE / __ [ SHIRT]
UM        => / [ ] __ [ ]
%UH       => [] / [ ] __ [ ]
FUNDRAIS  => FUND RAIS ;; fundraiser, fundraising
[UNITED STATES'] => UNITED STATES / __ [ ]
"YOU KNOW " => "" / " " __
[AND/OR]  => [AND OR]
"""


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    return read(tmp_path, RULES)


def read(folder: Path, content: str | bytes) -> Rules:
    path = folder / "rules.glm"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return glm.read(path)


@pytest.mark.parametrize(
    ("text", "expected", "times"),
    [
        ("i'm gonna go", "i'm GOING TO go", 1),
        ("aircraft aircraft aircrafts", "AIR CRAFT AIR CRAFT aircrafts", 2),  # both share the blank between them
        ("Mr. Smith", "MISTER Smith", 1),
        ("tell 'em", "tell THEM", 1),
        ("william falkner and falkner", "william FAULKNER and falkner", 1),
        ("a t. shirt and a t. square", "a TEE shirt and a t. square", 1),
        ("um  yes um", "yes", 2),
        ("%uh umm", "umm", 1),
        ("fundraisers", "FUND RAISers", 1),
        ("the united states' flag", "the UNITED STATES flag", 1),
        ("well you know it", "well it", 1),
        ("and/or", "AND OR", 1),
        ("nothing   to do", "nothing to do", 0),
        ("", "", 0),
        ("um", "", 1),
    ],
)
def test_rules_of_a_file(rules: Rules, text: str, expected: str, times: int) -> None:
    assert rules.apply(text) == (expected, times)


def test_the_first_rule_wins_and_what_it_wrote_is_not_read_again() -> None:
    rules = Rules([Rule("a", "b"), Rule("ab", "long"), Rule("b", "c")])
    assert rules.apply("ab b") == ("bc c", 3)


def test_contexts_are_those_of_the_text_before() -> None:
    rules = Rules([Rule("a", "x"), Rule("b", "y", left="a"), Rule("c", "z", right=" a")])
    assert rules.apply("ab c a") == ("xy z x", 4)


def test_case(tmp_path: Path) -> None:
    strict = read(tmp_path, ";;\nOK => O. K.\n")
    assert strict.apply("ok OK") == ("ok O. K.", 1)
    loose = read(tmp_path, ";;\n* case_sensitive 'no'\nΣΟΦΟΣ İ => wise\n")
    assert loose.apply("σοφοσ İ") == ("wise", 1)  # letter by letter: no final sigma, no letter becomes two
    assert loose.apply("σοφοσ i̇") == ("σοφοσ i̇", 0)


def test_a_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeff;; rules\r\nGONNA => GOING TO\r\n").rules == (Rule("GONNA", "GOING TO"),)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("GONNA = GOING TO", "no '=>' in 'GONNA = GOING TO'; expected 'A => B' or 'A => B / C __ D'"),
        ("HE'S => [{HE IS / HE HAS}]", 'alternatives in "HE\'S => [{HE IS / HE HAS}]"; expected one reading'),
        ("A => B / [ ]", "'A => B / [ ]'; expected 'A => B'"),
        ("A => B / C / D __ E", "expected 'A => B' or"),
        ("A => B => C", "expected 'A => B' or"),
        ("A => [B", "write characters such as '/' between brackets"),
        ("A/B => C", "write characters such as '/' between brackets"),
        ("[A] B => C", "expected 'A => B' or"),
        (" => B", "nothing before '=>'"),
        ("* format = 'NIST2'", "format is 'NIST2'; expected one of: nist1"),
        ("* copy_no_hit = 'F'", "copy_no_hit is 'F'; expected one of: t, true, yes"),
        ("* case_sensitive = 'maybe'", "case_sensitive is 'maybe'; expected one of: t, true, yes, f, false, no"),
        ("* cases = 'F'", "header 'cases'; expected one of: case_sensitive, copy_no_hit"),
        ("* case_sensitive F", "expected a header such as"),
        (';; INPUT_DEPENDENT_APPLICATION = "hyp"', "expected rules for both sides alike"),
    ],
)
def test_refused_with_file_and_line(tmp_path: Path, line: str, found: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, f";;\nOK => O. K.\n{line}\n")
    assert str(caught.value).startswith(f"{tmp_path}/rules.glm:3: ")
    assert found in str(caught.value)


def test_all_faults_at_once(tmp_path: Path) -> None:
    with pytest.raises(Faults) as caught:
        read(tmp_path, b"no arrow\nG\xd6RING => GOERING\nOK => O. K.\nA => {B / C}\n")
    assert [str(each).split(":")[1] for each in caught.value.faults] == ["1", "2", "4"]
    assert "not UTF-8 text" in str(caught.value.faults[1])


def test_no_rules(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no rules; expected 'A => B'"):
        read(tmp_path, ";; nothing\n\n")


def slow(rules: list[Rule], text: str) -> str:
    """The definition, word for word: at each place the rules from top to bottom."""
    text, out, at = f" {text} ", "", 0
    while at < len(text):
        for rule in rules:
            before, here, after = text[:at], text[at:], text[at + len(rule.source) :]
            if here.startswith(rule.source) and before.endswith(rule.left) and after.startswith(rule.right):
                out, at = out + rule.target, at + len(rule.source)
                break
        else:
            out, at = out + text[at], at + 1
    return out


def random_rules(generator: random.Random) -> list[Rule]:
    def letters(least: int, most: int, alphabet: str = "abc ") -> str:
        return "".join(generator.choice(alphabet) for _ in range(generator.randint(least, most)))

    def context() -> str:
        return generator.choice(["", "", " ", letters(1, 2)])

    return [
        Rule(letters(1, 6, "abc").strip(), letters(0, 4, "xyz ").strip(), context(), context())
        for _ in range(generator.randint(1, 12))
    ]


def lines_of_text(generator: random.Random, alphabet: str = "abc ") -> list[str]:
    texts = ["".join(generator.choice(alphabet) for _ in range(generator.randint(0, 20))) for _ in range(60)]
    return [" ".join(each.split()) for each in texts]


@pytest.mark.parametrize("seed", range(20))
def test_as_the_definition_on_random_rules(seed: int) -> None:
    generator = random.Random(seed)
    rules = random_rules(generator)
    for text in lines_of_text(generator):
        assert Rules(rules).apply(text)[0] == " ".join(slow(rules, text).split())


@pytest.mark.parametrize("seed", range(12))
def test_as_rfilter1(tmp_path: Path, seed: int) -> None:
    program = shutil.which("rfilter1") or shutil.which("/usr/lib/sctk/bin/rfilter1")
    if not program:
        pytest.skip("rfilter1 of NIST's SCTK (Debian package sctk) is not installed")
    generator = random.Random(100 + seed)
    rules, sensitive = random_rules(generator), seed % 2 == 0
    path = tmp_path / "rules.glm"
    head = [";; rules", f"* case_sensitive = '{'T' if sensitive else 'F'}'"]
    path.write_text(
        "\n".join([*head, *(f"[{r.source}] => [{r.target}] / [{r.left}] __ [{r.right}]" for r in rules)]) + "\n"
    )
    texts = lines_of_text(generator, "abc abcABC ")
    shown = subprocess.run(
        [program, str(path)], input="".join(f" {each} \n" for each in texts), capture_output=True, text=True, check=True
    ).stdout
    ours = glm.read(path)
    assert ours.rules == tuple(rules)
    assert [ours.apply(each)[0] for each in texts] == [" ".join(each.split()) for each in shown.splitlines()]


def test_the_example_file_as_rfilter1(tmp_path: Path) -> None:
    program = shutil.which("rfilter1") or shutil.which("/usr/lib/sctk/bin/rfilter1")
    if not program:
        pytest.skip("rfilter1 of NIST's SCTK (Debian package sctk) is not installed")
    content = RULES.replace("[AND/OR]  => [AND OR]\n", "")  # rfilter1 takes that slash for the one before a context
    rules = read(tmp_path, content)
    text = " i'm gonna see william falkner um aircraft aircraft mr. %uh united states' fundraisers you know t. shirt "
    shown = subprocess.run(
        [program, str(tmp_path / "rules.glm")], input=f"{text}\n", capture_output=True, text=True, check=True
    ).stdout
    assert rules.apply(text)[0] == " ".join(shown.split())
