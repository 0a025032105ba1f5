"""The tokenizer ``sentencepiece``: subword pieces learned from the training text, by a unigram model or BPE.

Sources: Kudo, "Subword Regularization" (2018); Sennrich et al., "Neural Machine Translation of Rare Words with Subword
Units" (2016); the library is Google's sentencepiece. Its model is saved whole in ``sentencepiece.model``.

Ids: the library's id 0 is its ``<unk>``, ours is the blank. Every character of the training text is a piece
(coverage 1) and a text with any other is refused, so that ``<unk>`` is never emitted and the blank takes its place:
the pieces proper keep the ids 1, 2, ... and none is wasted. The same texts and options give the same model, byte for
byte: one thread, no sampling of sentences. Texts come in normalised, so the library's own normalisation is off.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dstoolkit.errors import ConfigError, DataError
from dstoolkit.interfaces import BLANK, Tokenizer
from dstoolkit.stamp import write_bytes

BLANK_TOKEN = "<blank>"
SPACE = "\u2581"  # how the library writes a space; a text that holds this character itself is refused
FILE = "sentencepiece.model"
LABEL = "tokenizer 'sentencepiece'"
SHORTEST_LIMIT = 10  # bytes: the library refuses a lower limit for the length of its sentences


@dataclass(frozen=True)
class SentencePieceConfig:
    """``vocab_size``: how many tokens, the blank included. ``model_type``: ``unigram`` or ``bpe``."""

    vocab_size: int = 500
    model_type: Literal["unigram", "bpe"] = "unigram"

    def __post_init__(self) -> None:
        if self.vocab_size < 3:
            raise ValueError(f"vocab_size: {self.vocab_size}; expected at least 3")


class SentencePiece(Tokenizer):
    """Text as a sequence of pieces. Picklable: it holds the model's bytes and opens them again."""

    name = "sentencepiece"
    Config = SentencePieceConfig

    def __init__(self, model: bytes) -> None:
        from sentencepiece import SentencePieceProcessor

        self._model = model
        self._processor = SentencePieceProcessor(model_proto=model)
        pieces = [self._processor.IdToPiece(at) for at in range(1, self._processor.GetPieceSize())]
        self._tokens: tuple[str, ...] = (BLANK_TOKEN, *pieces)
        self._characters = {piece for piece in pieces if len(piece) == 1} - {SPACE} | {" "}

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self._model,))

    @classmethod
    def train(cls, config: SentencePieceConfig, texts: Iterable[str]) -> SentencePiece:
        """Raises DataError for no text, ConfigError where the text cannot bear ``vocab_size`` pieces."""
        lines = [text for text in texts if text]
        if not lines:
            raise DataError(LABEL, "no text to learn pieces from", "expected at least one word")
        if any(SPACE in line for line in lines):
            raise DataError(LABEL, f"{SPACE!r} in the text", "expected texts without it: it stands for a space")
        return cls(_train(config, lines))

    @property
    def tokens(self) -> Sequence[str]:
        """Pieces; a leading ``\u2581`` marks the beginning of a word."""
        return self._tokens

    def encode(self, text: str) -> list[int]:
        if strange := dict.fromkeys(self.unknown(text)):
            raise DataError(LABEL, f"no token for {', '.join(map(repr, strange))} in {text!r}")
        ids: list[int] = self._processor.EncodeAsIds(text)
        assert BLANK not in ids, f"every character of {text!r} has a piece"
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Raises DataError for an id that no token has."""
        pieces = "".join(self._token(each) for each in ids if each != BLANK)
        return pieces.replace(SPACE, " ").removeprefix(" ")

    def _token(self, token_id: int) -> str:
        if not 0 <= token_id < len(self._tokens):
            raise DataError(LABEL, f"no token {token_id}", f"expected 0 to {len(self._tokens) - 1}")
        return self._tokens[token_id]

    def unknown(self, text: str) -> list[str]:
        return [character for character in text if character not in self._characters]

    def save(self, folder: Path) -> None:
        write_bytes(folder / FILE, self._model)

    @classmethod
    def load(cls, config: SentencePieceConfig, folder: Path) -> SentencePiece:
        """Raises DataError where the model is missing or is none."""
        path = folder / FILE
        try:
            return cls(path.read_bytes())
        except OSError as error:
            raise DataError(path, (error.strerror or str(error)).lower(), "", "train the tokenizer anew") from error
        except RuntimeError as error:
            raise DataError(path, "not a sentencepiece model", "", "train the tokenizer anew") from error


def _train(config: SentencePieceConfig, lines: list[str]) -> bytes:
    from sentencepiece import SentencePieceTrainer

    model = io.BytesIO()
    try:
        SentencePieceTrainer.Train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type=config.model_type,
            vocab_size=config.vocab_size,
            character_coverage=1.0,
            normalization_rule_name="identity",
            max_sentence_length=max(SHORTEST_LIMIT, *(len(line.encode()) + 1 for line in lines)),  # others it skips
            num_threads=1,
            unk_id=BLANK,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            minloglevel=2,  # errors only; they come back as exceptions too
        )
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].rpartition("] ")[2].rstrip(". ")
        raise ConfigError(
            "tokenizer.vocab_size",
            f"{config.vocab_size} {config.model_type} pieces cannot be learned from {len(lines)} texts",
            f"sentencepiece says: {reason}",
            "choose another size",
        ) from error
    return model.getvalue()
