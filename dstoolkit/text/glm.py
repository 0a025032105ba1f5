"""Substitution files in the form of NIST's global mapping files (GLM), as SCTK's ``rfilter1`` reads them.

    ;; comments begin anywhere
    * case_sensitive = 'F'
    GONNA      => GOING TO
    AIRCRAFT   => AIR CRAFT / [ ] __ [ ]       ;; only where blanks stand on both sides: the whole word
    [ST ]      => [SAINT ]                     ;; brackets or double quotes keep blanks
    FALKNER    => FAULKNER / [WILLIAM ] __

A rule ``A => B / C __ D`` rewrites the characters ``A`` between ``C`` and ``D`` as ``B``; without blanks as context it
acts within words too. The text, its words apart by single blanks and with a blank before and after, is read once from
left to right. At each place the first rule of the file that matches is applied, be it the longest or not, and reading
goes on behind ``A``; contexts are looked up in the text as it was before. See "GLMRules.txt" in the documentation of
NIST's SCTK.

Headers: ``format`` must be NIST1 and ``copy_no_hit`` true, which are the defaults; ``case_sensitive`` is true unless
said otherwise; ``name``, ``desc`` and ``max_nrules`` say nothing about the result. Refused, because each would need a
reference or hypothesis of more than one reading: alternatives, ``{A / B}``, and INPUT_DEPENDENT_APPLICATION.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dstoolkit.errors import DataError, DstoolkitError, Faults

COMMENT = ";;"
BY_INPUT = "INPUT_DEPENDENT_APPLICATION"
EXPECTED = "expected 'A => B' or 'A => B / C __ D'"
KEY = 4  # leading characters of a source under which its rules are looked up
TRUE, FALSE = ("t", "true", "yes"), ("f", "false", "no")

_FIELD = r"""\[[^\[\]]*\]|"[^"]*"|[^\[\]{{}}"/{but}]*?"""
_RULE = re.compile(
    rf"\s*(?P<source>{_FIELD.format(but='')})\s*=>\s*(?P<target>{_FIELD.format(but='')})\s*"
    rf"(?:/\s*(?P<left>{_FIELD.format(but='_')})\s*_+\s*(?P<right>{_FIELD.format(but='_')})\s*)?"
)
_HEADER = re.compile(r"""\*\s*(?P<key>\w+)\s*[=:]?\s*(?P<quote>["'])(?P<value>.*)(?P=quote)\s*""")


class Rule(NamedTuple):
    """``source => target / left __ right``, all four as plain characters."""

    source: str
    target: str
    left: str = ""
    right: str = ""


class Rules:
    """The rules of one file, in its order; ``name`` and ``digest`` (SHA-256) are the file's, for reports."""

    def __init__(self, rules: Sequence[Rule], case_sensitive: bool = True, name: str = "", digest: str = "") -> None:
        self.rules, self.case_sensitive, self.name, self.digest = tuple(rules), case_sensitive, name, digest
        self._by_key: dict[str, list[tuple[int, Rule]]] = {}
        for order, rule in enumerate(self.rules):
            folded = Rule(self._fold(rule.source), rule.target, self._fold(rule.left), self._fold(rule.right))
            self._by_key.setdefault(folded.source[:KEY], []).append((order, folded))
        self._lengths = sorted({len(key) for key in self._by_key})

    def in_any_case(self) -> Rules:
        """The same rules, for texts in which case says nothing."""
        return Rules(self.rules, False, self.name, self.digest)

    def apply(self, text: str) -> tuple[str, int]:
        """The rewritten text, its words apart by single blanks, and how many times a rule was applied."""
        text = f" {' '.join(text.split())} "
        folded = self._fold(text)
        pieces, at, times = [], 0, 0
        while at < len(text):
            rule = self._first(folded, at)
            pieces.append(rule.target if rule else text[at])
            at, times = at + (len(rule.source) if rule else 1), times + (rule is not None)
        return " ".join("".join(pieces).split()), times

    def _first(self, text: str, at: int) -> Rule | None:
        """The first rule that matches at ``at`` of a folded text."""
        best: tuple[int, Rule] | None = None
        for length in self._lengths:
            for order, rule in self._by_key.get(text[at : at + length], ()):
                if (best is None or order < best[0]) and _matches(rule, text, at):
                    best = order, rule
                    break
        return best[1] if best else None

    def _fold(self, text: str) -> str:
        """Small letters where case does not count, character by character, so that places stay what they were."""
        if self.case_sensitive:
            return text
        return text.lower() if text.isascii() else "".join(map(_small, text))


def _small(character: str) -> str:
    small = character.lower()
    return small if len(small) == 1 else character


def _matches(rule: Rule, text: str, at: int) -> bool:
    end = at + len(rule.source)
    return text.startswith(rule.source, at) and text.startswith(rule.right, end) and text.endswith(rule.left, 0, at)


def read(path: Path) -> Rules:
    """The rules of a file. Raises DataError or Faults with line numbers."""
    rules: list[Rule] = []
    headers: dict[str, str] = {}
    faults: list[DstoolkitError] = []
    content = path.read_bytes()
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            _add(line, rules, headers)
        except ValueError as error:
            found, expected, *advice = error.args
            faults.append(DataError(f"{path}:{number}", found, expected, *advice))
    if not rules and not faults:
        faults.append(DataError(path, "no rules", EXPECTED))
    Faults.check(faults)
    return Rules(rules, headers.get("case_sensitive", "t") in TRUE, path.name, hashlib.sha256(content).hexdigest())


def _add(line: bytes, rules: list[Rule], headers: dict[str, str]) -> None:
    """One line into rules or headers. Raises ValueError of what was found and expected (and what to do)."""
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8 text", EXPECTED, "convert the file, say with iconv") from error
    if BY_INPUT in text:
        raise ValueError(f"'{BY_INPUT}'", "expected rules for both sides alike", "take these rules out")
    content = text.partition(COMMENT)[0].rstrip()
    if content.startswith("*"):
        headers.update(_header(content))
    elif content.strip():
        rules.append(_rule(content))


def _header(line: str) -> Iterator[tuple[str, str]]:
    """A header's name and value, both in small letters."""
    match = _HEADER.fullmatch(line)
    if not match:
        raise ValueError(f"{line!r}", "expected a header such as \"* case_sensitive = 'F'\"")
    key, value = match["key"].lower(), match["value"].strip().lower()
    allowed = {"format": ("nist1",), "copy_no_hit": TRUE, "case_sensitive": (*TRUE, *FALSE)}
    if key not in (*allowed, "name", "desc", "max_nrules"):
        known = ", ".join(sorted((*allowed, "name", "desc", "max_nrules")))
        raise ValueError(f"header '{key}'", f"expected one of: {known}")
    if value not in allowed.get(key, (value,)):
        raise ValueError(f"{key} is '{match['value']}'", f"expected one of: {', '.join(allowed[key])}")
    yield key, value


def _rule(line: str) -> Rule:
    if "=>" not in line:
        raise ValueError(f"no '=>' in {line!r}", EXPECTED)
    if "{" in line or "}" in line:
        raise ValueError(f"alternatives in {line!r}", "expected one reading", "choose one, or take the rule out")
    match = _RULE.fullmatch(line)
    if not match or "=>" in _plain(match["target"]):
        raise ValueError(f"{line!r}", EXPECTED, "write characters such as '/' between brackets: '[AND/OR] => AND OR'")
    rule = Rule(*(_plain(match[name] or "") for name in ("source", "target", "left", "right")))
    if not rule.source:
        raise ValueError(f"nothing before '=>' in {line!r}", EXPECTED)
    return rule


def _plain(field: str) -> str:
    """A field without its brackets or quotes."""
    return field[1:-1] if field[:1] in ("[", '"') else field
