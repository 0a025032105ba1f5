"""The tokenizer ``characters``: one token per character (Unicode code point), the blank first.

By default the 28 characters of Deepgram's Kur: the letters a to z, the space and the apostrophe. Another alphabet is
given as a string, or learned from the training text with ``characters: derive`` (sorted by code point). The tokens are
saved in ``tokens.txt``, one per line in the order of their ids, the space written ``<space>``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dstoolkit.errors import DataError
from dstoolkit.interfaces import BLANK, Tokenizer
from dstoolkit.stamp import write_text

KUR = "abcdefghijklmnopqrstuvwxyz '"
DERIVE = "derive"  # no alphabet itself: its 'e' is there twice
BLANK_TOKEN = "<blank>"
SPACE_TOKEN = "<space>"
FILE = "tokens.txt"


@dataclass(frozen=True)
class CharactersConfig:
    """``characters``: the alphabet in the order of its token ids, or ``derive`` for the training text's own."""

    characters: str = KUR

    def __post_init__(self) -> None:
        if self.characters == DERIVE:
            return
        if not self.characters:
            raise ValueError(f"characters: none; expected an alphabet or {DERIVE!r}")
        if twice := sorted({each for each in self.characters if self.characters.count(each) > 1}):
            raise ValueError(f"characters: {''.join(twice)!r} is there twice; expected each character once")
        if odd := [each for each in self.characters if each.isspace() and each != " "]:
            raise ValueError(f"characters: {odd[0]!r} cannot occur in a text; expected no white space but ' '")


class Characters(Tokenizer):
    """Text as a sequence of its characters. Picklable; encodes in linear time."""

    name = "characters"
    Config = CharactersConfig

    def __init__(self, characters: str) -> None:
        self._tokens: tuple[str, ...] = (BLANK_TOKEN, *characters)
        self._ids = {character: at for at, character in enumerate(self._tokens) if at != BLANK}

    @classmethod
    def train(cls, config: CharactersConfig, texts: Iterable[str]) -> Characters:
        """The configured alphabet, or that of ``texts``. Raises DataError where they hold no character."""
        if config.characters != DERIVE:
            return cls(config.characters)
        found = sorted({character for text in texts for character in text})
        if not found:
            raise DataError("tokenizer 'characters'", "no text to derive characters from", "expected at least one word")
        return cls("".join(found))

    @property
    def tokens(self) -> Sequence[str]:
        return self._tokens

    def encode(self, text: str) -> list[int]:
        try:
            return [self._ids[character] for character in text]
        except KeyError as error:
            strange = ", ".join(repr(each) for each in dict.fromkeys(self.unknown(text)))
            raise DataError("tokenizer 'characters'", f"no token for {strange} in {text!r}") from error

    def decode(self, ids: Iterable[int]) -> str:
        """Raises DataError for an id that no token has."""
        return "".join(self._token(each) for each in ids if each != BLANK)

    def _token(self, token_id: int) -> str:
        if not 0 <= token_id < len(self._tokens):
            raise DataError("tokenizer 'characters'", f"no token {token_id}", f"expected 0 to {len(self._tokens) - 1}")
        return self._tokens[token_id]

    def unknown(self, text: str) -> list[str]:
        return [character for character in text if character not in self._ids]

    def save(self, folder: Path) -> None:
        lines = [SPACE_TOKEN if token == " " else token for token in self._tokens]
        write_text(folder / FILE, "".join(f"{line}\n" for line in lines))

    @classmethod
    def load(cls, config: CharactersConfig, folder: Path) -> Characters:
        """Raises DataError where ``tokens.txt`` is missing or is no such file."""
        path = folder / FILE
        try:
            first, *lines = path.read_text(encoding="utf-8").split("\n")[:-1] or [""]
        except (OSError, UnicodeDecodeError) as error:
            what = "no such file" if isinstance(error, FileNotFoundError) else "not readable as UTF-8 text"
            raise DataError(path, what, "expected one token per line", "train the tokenizer anew") from error
        if first != BLANK_TOKEN:
            raise DataError(f"{path}:1", f"{first!r}", f"expected '{BLANK_TOKEN}'", "train the tokenizer anew")
        characters = [" " if line == SPACE_TOKEN else line for line in lines]
        for number, line in enumerate(characters, 2):
            if len(line) != 1 or line in characters[: number - 2]:
                raise DataError(f"{path}:{number}", f"{line!r}", "expected a single character, each once")
        return cls("".join(characters))
