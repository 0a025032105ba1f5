"""NIST's ``trn`` transcripts: a line an utterance, its words and then its id in parentheses, ``yes no (spk-u17)``.

Lines that begin with ``;;`` are comments. See the sclite manual of NIST's SCTK.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from dstoolkit.errors import DataError, DstoolkitError, Faults

CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")  # all but the tab
BYTE_ORDER_MARK = "\ufeff"


def read(path: Path) -> dict[str, str]:
    """Id -> text, in the file's order. Raises DataError or Faults with line numbers, for duplicate ids too."""
    texts: dict[str, str] = {}
    first: dict[str, int] = {}
    faults: list[DstoolkitError] = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            parsed = _parse(line)
        except ValueError as error:
            faults.append(DataError(f"{path}:{number}", str(error), "expected '<words> (<utterance>)'"))
            continue
        if parsed and parsed[0] in texts:
            before = f"it is on line {first[parsed[0]]} already"
            faults.append(DataError(f"{path}:{number}", f"utterance '{parsed[0]}' is there twice", before))
        elif parsed:
            texts[parsed[0]], first[parsed[0]] = parsed[1], number
    if not texts and not faults:
        faults.append(DataError(path, "no utterances", "expected lines of '<words> (<utterance>)'"))
    Faults.check(faults)
    return texts


def _parse(line: bytes) -> tuple[str, str] | None:
    """Id and text; None for a blank line or comment. Raises ValueError saying what is wrong."""
    try:
        content = line.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8 text") from error
    if content.startswith(BYTE_ORDER_MARK):
        raise ValueError("a byte order mark")
    if not content or content.startswith(";;"):
        return None
    if control := CONTROL.search(content):
        raise ValueError(f"control character {control[0]!r}")
    text, opening, utterance = content.removesuffix(")").rpartition("(")
    if not (opening and content.endswith(")") and utterance.strip()):
        raise ValueError(f"no utterance id in {content[-60:]!r}")
    if ")" in utterance:
        raise ValueError(f"parentheses within the id at the end of {content[-60:]!r}")
    return utterance.strip(), text.strip()


def lines(utterances: Iterable[tuple[str, Iterable[str]]]) -> str:
    """The text of a file, from ids and words."""
    return "".join(f"{' '.join([*words, f'({key})'])}\n" for key, words in utterances)
