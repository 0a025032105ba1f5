"""The contract of tokenizers: round trips, the blank, unknown characters, saving.

The training text is ``TEXTS``: sentences of made-up words over the letters a to z, enough for 500 pieces.
"""

from __future__ import annotations

import pickle
import random
import string
import tempfile
from pathlib import Path
from typing import Any

from dstoolkit.errors import DataError
from dstoolkit.interfaces import BLANK
from dstoolkit.testing.checks import CheckFailed, Subject, check, require

STRANGE = "\u00df\u4e16\u00df"  # three characters, two different, in no training text


def made_up_texts(words: int = 600, sentences: int = 800, seed: int = 0) -> list[str]:
    """Sentences of two to eight of so many words of one to four syllables; the first has every letter."""
    source = random.Random(seed)
    syllables = [
        first + vowel + last for first in "bcdfghjklmnpqrstvwxyz" for vowel in "aeiou" for last in ("", "n", "s")
    ]
    lexicon = ["".join(source.choices(syllables, k=source.randint(1, 4))) for _ in range(words)]
    texts = [" ".join(source.choices(lexicon, k=source.randint(2, 8))) for _ in range(sentences)]
    return [" ".join(string.ascii_lowercase), *texts]


TEXTS = made_up_texts()


def train(subject: Subject) -> Any:
    return subject.cls.train(subject.config, TEXTS)


@check("tokenizers")
def round_trip(subject: Subject) -> None:
    """``decode(encode(text))`` is the text, an empty one too."""
    tokenizer = train(subject)
    for text in [*TEXTS, ""]:
        found = tokenizer.decode(tokenizer.encode(text))
        require(found == text, f"{text!r} came back as {found!r}")


@check("tokenizers")
def tokens_are_sound(subject: Subject) -> None:
    """Tokens are unique words of text, and the first is ``<blank>``."""
    tokens = list(train(subject).tokens)
    require(tokens[BLANK] == "<blank>", f"token 0 is {tokens[BLANK]!r}; expected '<blank>'")
    require(len(set(tokens)) == len(tokens), "two tokens are the same")
    require(all(isinstance(each, str) and each for each in tokens), "a token is empty or no text")


@check("tokenizers")
def blank_is_never_emitted(subject: Subject) -> None:
    """``encode`` gives ids of ``tokens``, never the blank's."""
    tokenizer = train(subject)
    ids = {each for text in TEXTS for each in tokenizer.encode(text)}
    require(BLANK not in ids, "encode gives the blank")
    require(all(0 < each < len(tokenizer.tokens) for each in ids), "encode gives an id that no token has")


@check("tokenizers")
def decode_skips_blanks_and_keeps_repeats(subject: Subject) -> None:
    """Merging repeats is the decoder's business."""
    tokenizer = train(subject)
    ids = tokenizer.encode(TEXTS[1])
    spread = [each for token in ids for each in (BLANK, token, BLANK)]
    require(tokenizer.decode(spread) == TEXTS[1], "blanks between tokens change the text")
    once, twice = tokenizer.decode(ids[-1:]), tokenizer.decode([*ids[-1:], *ids[-1:]])
    require(len(twice) > len(once), f"a token twice is {twice!r}, once {once!r}: repeats are merged")


@check("tokenizers")
def strangers_are_refused(subject: Subject) -> None:
    """Characters without a token raise DataError, naming them, and are what ``unknown`` lists, repeats kept."""
    tokenizer = train(subject)
    text = f"{TEXTS[1]}{STRANGE}"
    require(list(tokenizer.unknown(text)) == list(STRANGE), f"unknown gives {tokenizer.unknown(text)}")
    require(not tokenizer.unknown(TEXTS[1]), "unknown lists characters of the training text")
    try:
        tokenizer.encode(text)
    except DataError as error:
        require(STRANGE[0] in str(error), f"the error does not name {STRANGE[0]!r}: {error}")
        return
    raise CheckFailed(f"encode lets {STRANGE!r} pass; expected DataError")


@check("tokenizers")
def saves_and_loads(subject: Subject) -> None:
    """A loaded tokenizer has the same tokens and encodes the same."""
    tokenizer = train(subject)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(Path(folder))
        require(any(Path(folder).iterdir()), "save writes nothing")
        loaded = subject.cls.load(subject.config, Path(folder))
    _require_equal(loaded, tokenizer, "a loaded tokenizer")


@check("tokenizers")
def can_be_pickled(subject: Subject) -> None:
    """Workers of other processes get it by pickle."""
    tokenizer = train(subject)
    _require_equal(pickle.loads(pickle.dumps(tokenizer)), tokenizer, "an unpickled tokenizer")


@check("tokenizers")
def training_is_deterministic(subject: Subject) -> None:
    """The same texts give the same tokens."""
    _require_equal(train(subject), train(subject), "a tokenizer trained again")


def _require_equal(found: Any, wanted: Any, what: str) -> None:
    require(list(found.tokens) == list(wanted.tokens), f"{what} has other tokens")
    for text in TEXTS[:50]:
        require(found.encode(text) == wanted.encode(text), f"{what} encodes {text!r} differently")
