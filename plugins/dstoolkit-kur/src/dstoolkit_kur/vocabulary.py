"""The option ``vocab``: a list of characters, a JSON file with one, or the characters of the transcripts.

Characters are lower-cased, as transcripts are. Kur looks transcripts up character by character, so that longer entries
would never be met: they are refused.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dstoolkit.errors import DstoolkitError, Faults
from dstoolkit.pipeline.vocabulary import Vocabulary
from dstoolkit_kur.manifest import Entry
from dstoolkit_kur.node import Node
from dstoolkit_kur.options import SpeechRecognition, place


def said(node: Node, options: SpeechRecognition) -> str:
    """The characters that ``vocab`` lists, in its order; empty where it says nothing. Raises ConfigError or Faults."""
    if options.vocab is None:
        return ""
    entries = from_file(node, options.vocab) if isinstance(options.vocab, str) else list(options.vocab)
    lowered = [each.lower() if isinstance(each, str) else each for each in entries]
    faults: list[DstoolkitError] = []
    for at, each in enumerate(lowered):
        where = ("vocab", at) if isinstance(options.vocab, tuple) else ("vocab",)
        if not isinstance(each, str) or len(each) != 1 or (each.isspace() and each != " "):
            faults.append(node.fault(f"{entries[at]!r}", "expected a single character", at=where))
        elif each in lowered[:at]:
            faults.append(node.fault(f"{entries[at]!r} twice", "expected each once, capitals apart", at=where))
    if not entries:
        faults.append(node.fault("no characters", "expected one or more", at=("vocab",)))
    Faults.check(faults)
    return "".join(lowered)


def from_file(node: Node, path: str) -> list[Any]:
    """A JSON list. Raises ConfigError."""
    file = place(node, path, "vocab")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise node.fault(f"'{file}': {(error.strerror or str(error)).lower()}", at=("vocab",)) from error
    except (ValueError, RecursionError) as error:
        raise node.fault(f"'{file}' is not JSON: {str(error).lower()}", "expected a list", at=("vocab",)) from error
    if not isinstance(found, list):
        raise node.fault(f"'{file}' holds no list", "expected a JSON list of characters", at=("vocab",))
    return found


def derived(node: Node, entries: Sequence[Entry]) -> str:
    """The characters of the transcripts, sorted. Raises ConfigError where there are none."""
    found = "".join(sorted({character for each in entries for character in each.text.lower()}))
    if not found:
        raise node.fault("no text to derive the vocabulary from", "expected transcripts, or 'vocab'")
    return found


def check_training(node: Node, characters: str, training: Vocabulary) -> None:
    """Raises ConfigError where a section says other characters than the training's; empty: it says none."""
    trained = "".join(training.tokenizer.tokens[1:])
    if characters not in ("", trained):
        raise node.fault(repr(characters), f"the training's is {trained!r}", "say the same", at=("vocab",))
