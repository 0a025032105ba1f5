"""docs/layers.md has every word and every option with its default."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from dstoolkit import config
from dstoolkit.models.layers.description import BESIDE, WORDS

DOCS = (Path(__file__).resolve().parents[3] / "docs/layers.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)`( \(main\))? \| (.*?) \| .+ \|$", re.MULTILINE)


def section(word: str) -> str:
    found = re.search(rf"^### {word}\n(.*?)(?=^### |\Z)", DOCS, re.MULTILINE | re.DOTALL)
    assert found, f"docs/layers.md has no section '{word}'"
    return found[1]


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_documented(word: str) -> None:
    rows = {name: (main, default.strip("`")) for name, main, default in ROW.findall(section(word))}
    options = {each.name: each.default for each in dataclasses.fields(WORDS[word].Options)}
    assert list(rows) == list(options)
    assert [name for name, (main, _) in rows.items() if main] == ([WORDS[word].short] if WORDS[word].short else [])
    for name, (_, default) in rows.items():
        if default == "required":
            with pytest.raises((ValueError, config.ConfigError)):
                left_out(word, name)
        else:
            wanted = config.parse_value(default) if default != '""' else ""
            assert config.plain(options[name]) == wanted, name


def left_out(word: str, name: str) -> None:
    """Describe a layer without the option."""
    from dstoolkit.models.layers.description import describe

    enough = {"kernels": 3, "size": 3, "vocab_size": 3, "dimension": 0, "count": 2, "target": "x", "apply": ["flatten"]}
    options = {each.name for each in dataclasses.fields(WORDS[word].Options)} - {name}
    describe([{word: {key: value for key, value in enough.items() if key in options}}])


def test_what_stands_beside_a_word_is_documented() -> None:
    listed = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", DOCS, re.MULTILINE)
    assert sorted(listed) == sorted(BESIDE)


def test_no_other_word_is_documented() -> None:
    assert set(re.findall(r"^### (\w+)$", DOCS, re.MULTILINE)) == set(WORDS)
