"""docs/plugin-tutorial.md, followed word for word in an empty folder by somebody without a network.

A block whose first line is ``# PATH`` is that file; a ``sh`` block is run; a ``text`` block says which lines the
commands before it print, in this order, ``...`` for anything.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.environment import Environment

TUTORIAL = Path(__file__).resolve().parent.parent / "docs" / "plugin-tutorial.md"
FILES = ("python", "yaml", "toml")


def blocks() -> list[tuple[str, str]]:
    """Language and content of every block, in order."""
    return re.findall(r"^```([^\n]*)\n(.*?)^```$", TUTORIAL.read_text(), re.MULTILINE | re.DOTALL)


def missing(wanted: str, printed: str) -> list[str]:
    """The lines of ``wanted`` that are not among those of ``printed``, each looked for after the one before."""
    left = iter(printed.splitlines())
    patterns = {line: re.escape(line).replace(re.escape("..."), ".*") for line in wanted.splitlines()}
    return [line for line in wanted.splitlines() if not any(re.fullmatch(patterns[line], each) for each in left)]


def path_of(content: str) -> Path:
    """The file that a block says it is."""
    found = re.match(r"# (\S+\.\w+)\n", content)
    assert found, f"a block that names no file: {content[:60]!r}"
    path = Path(found[1])
    assert not path.is_absolute()
    assert ".." not in path.parts
    return path


def test_lines_are_missed_where_they_are_not_printed():
    assert missing("a ... c\nd\n", "x\na b c\nd\n") == []
    assert missing("d\na ... c\n", "a b c\nd\n") == ["a ... c"]
    assert missing("a ... c\n", "xa b c\n") == ["a ... c"]
    assert missing("d\nd\n", "d\n") == ["d"]


def test_every_block_is_one_that_is_tried():
    found = blocks()
    assert TUTORIAL.read_text().count("```") == 2 * len(found)
    assert {language for language, _ in found} <= {"sh", "text", *FILES}
    for at, (language, content) in enumerate(found):
        if language in FILES:
            path_of(content)
        if language == "text":
            assert found[at - 1][0] == "sh", "output without a command"


@pytest.mark.slow
def test_it_works_as_it_stands(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "environment")
    folder = tmp_path / "empty"
    folder.mkdir()
    printed = ""
    for language, content in blocks():
        if language == "sh":
            printed = environment.shell(content, folder)
        elif language == "text":
            assert missing(content, printed) == [], printed
        else:
            path = folder / path_of(content)
            assert path.parent.is_dir(), f"{path.parent} should be there by now"
            path.write_text(content)
    scored = json.loads((folder / "tones" / "scored" / "wer.json").read_text())
    assert scored["wer"]["rate"] < 0.3, "it says that about one word in ten is wrong"
