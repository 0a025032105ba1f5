"""What a search may write: from a decoder's options and the tokenizer's tokens to the tables of ``growth.Rules``.

Here a language model or a lexicon meets the tokens, and is refused where it does not fit: one made for other tokens, or
for texts normalised otherwise, would not fail by itself but spoil every text.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dstoolkit.compiled import in_order
from dstoolkit.decoding import hotwords
from dstoolkit.decoding.growth import NOTHING, TOKENS, UNKNOWN, WORDS, Rules
from dstoolkit.decoding.hashing import ENTRY
from dstoolkit.decoding.ngram import Ngram
from dstoolkit.decoding.ngram_tables import STATE, UNIGRAM, NgramTables
from dstoolkit.decoding.spelling import NO_WORD, Alphabet, Trie, trie_of
from dstoolkit.decoding.spelling import ROOT as SPELLING_ROOT
from dstoolkit.errors import ConfigError, DataError, DstoolkitError, Faults, few
from dstoolkit.interfaces import BLANK

if TYPE_CHECKING:
    from dstoolkit.decoding.beam import BeamConfig

SPECIAL = {"<unk>", "<s>", "</s>"}
SPACE = "<space>"  # how a model of tokens writes the token ' '
SPELLABLE = 0.5  # the least share of a model's words that the tokens must be able to write
RETRAIN = "train it on texts normalised as the recogniser's: 'dstoolkit lm train --tokenizer'"


def make_rules(config: BeamConfig, tokens: Sequence[str]) -> Rules:
    """Raises ConfigError, DataError or Faults for files that cannot be read or do not fit the tokens."""
    alphabet = Alphabet(tokens)
    model = load_model(config.lm) if config.lm else nothing_known()
    units = NOTHING if not config.lm else WORDS if config.lm_unit == "word" else TOKENS
    units_of = np.zeros(len(tokens), np.int32)
    if units == TOKENS:
        units_of = token_units(config.lm, model, tokens)
    elif SPACE in model.ids:
        found = f"'{config.lm}' is a model of tokens: it has '{SPACE}'"
        raise ConfigError("decoder.lm", found, "expected one of words", "decoder.lm_unit is 'token' for one of tokens")
    phrases = {" ".join(phrase.split()): float(weight) for phrase, weight in config.hotwords.items()}
    check_hotwords(alphabet, phrases)
    automaton = hotwords.automaton(alphabet, phrases)
    if config.lexicon:
        vocabulary = lexicon_trie(config.lexicon, alphabet, model.ids if units == WORDS else {})
    else:
        vocabulary = model_trie(config.lm, tokens) if units == WORDS else trie_of(alphabet, {})[0]
    words = units == WORDS or bool(config.lexicon or phrases)
    ahead = (
        look_ahead(vocabulary, word_bonuses(config, model)) if units == WORDS else np.zeros(len(vocabulary.word) + 1)
    )
    most, most_at_end = largest_bonuses(config, units, alphabet, automaton, vocabulary, ahead)
    return Rules(
        matter=words or units == TOKENS,
        units=units,
        alpha=float(config.alpha),
        beta=float(config.beta),
        unknown=float(config.unknown_score),
        sentence_end=config.sentence_end,
        closed=bool(config.lexicon),
        words=words,
        pieces=alphabet.pieces,
        space=int(alphabet.bare.argmax()) if words and not alphabet.pieces and alphabet.bare.any() else -1,
        letters=alphabet.letters,
        offsets=alphabet.offsets,
        bare=alphabet.bare,
        opens=alphabet.opens & words,
        most=most,
        most_at_end=most_at_end,
        units_of=units_of,
        vocabulary=vocabulary,
        by_letter=bool(config.lexicon) and alphabet.by_letter,
        token_of=alphabet.tokens_of_letters(),
        ahead=ahead,
        model=model.tables,
        start=model.start,
        end=model.end,
        hotwords=automaton,
        hot=bool(phrases),
    )


def word_bonuses(config: BeamConfig, model: Ngram) -> Any:
    """What each of the model's words would add by its unigram probability, ``(words,)``."""
    bonuses = config.alpha * model.tables.unigrams["prob"].astype(np.float64) + config.beta
    bonuses[UNKNOWN] += config.unknown_score
    return bonuses


@in_order
def look_ahead(vocabulary: Any, bonuses: Any) -> Any:
    """For each node of the trie the largest bonus of a word at it or below; 0 at the root; last, of words outside."""
    ahead = np.full(len(vocabulary.word) + 1, -np.inf)
    for node in range(len(vocabulary.word) - 1, -1, -1):  # children come after their parents
        if vocabulary.word[node] != NO_WORD:
            ahead[node] = bonuses[vocabulary.word[node]]
        for below in range(vocabulary.first[node], vocabulary.first[node + 1]):
            ahead[node] = max(ahead[node], ahead[below])
    ahead[SPELLING_ROOT], ahead[-1] = 0.0, bonuses[UNKNOWN]
    return ahead


def largest_bonuses(
    config: BeamConfig, units: int, alphabet: Alphabet, automaton: hotwords.Automaton, vocabulary: Trie, ahead: Any
) -> tuple[Any, float]:
    """Bounds of what a token can add to a prefix's bonus, ``(vocab,)``, and of what the end of a word can. A model's
    log-probabilities are at most 0."""
    at_end = 0.0
    letter = max(float(automaton.gain.max()), 0.0)
    if units == WORDS:
        parents = np.repeat(np.arange(len(vocabulary.word)), np.diff(vocabulary.first))
        steps = [ahead[1:-1] - ahead[parents], np.zeros(1) if config.lexicon else ahead[-1] - ahead[:-1]]
        letter += max(0.0, float(np.concatenate(steps).max()))
        at_end = max(config.beta, 0.0) + max(config.unknown_score, 0.0) - min(float(ahead.min()), 0.0)
    more_words = alphabet.boundaries - alphabet.opens  # that end within the token
    most = np.diff(alphabet.offsets) * letter + more_words * at_end
    return most + (max(config.beta, 0.0) if units == TOKENS else 0.0), at_end


@functools.lru_cache(maxsize=1)
def nothing_known() -> Ngram:
    """The model in the place of none: compiled code wants its tables, and never asks them."""
    one = np.zeros(2, np.int64)
    tables = NgramTables(1, np.zeros(1, UNIGRAM), np.zeros(1, STATE), one, np.zeros(0, ENTRY), one, one)
    return Ngram((), {}, tables, 0, 0)


def load_model(path: str) -> Ngram:
    """The model of an ARPA file, read once as long as the file stays the same."""
    if not Path(path).is_file():
        raise ConfigError(
            "decoder.lm", f"no file '{path}'", "expected an ARPA file", "make it with 'dstoolkit lm train'"
        )
    return _load(*version(path))


def version(path: str) -> tuple[Path, int, int]:
    """What a file is known by: where it is, when it was changed, how long it is."""
    about = Path(path).stat()
    return Path(path).resolve(), about.st_mtime_ns, about.st_size


@functools.lru_cache(maxsize=2)
def _load(path: Path, changed: int, size: int) -> Ngram:
    return Ngram.load(path)


@functools.lru_cache(maxsize=2)
def _trie(path: Path, changed: int, size: int, tokens: tuple[str, ...]) -> tuple[Trie, list[str], int]:
    """Of the model's words; those that the tokens cannot write, and how many words there are."""
    words = {word: at for word, at in _load(path, changed, size).ids.items() if word not in SPECIAL}
    return *trie_of(Alphabet(tokens), words), len(words)


def token_units(path: str, model: Ngram, tokens: Sequence[str]) -> Any:
    """The model's number of each token. Raises ConfigError where it is a model of other tokens."""
    names = [SPACE if token == " " else token for token in tokens]
    strange = sorted(set(model.words) - SPECIAL - set(names))
    if strange:
        found = f"'{path}' is no model of this tokenizer's tokens: it has {few(strange)}"
        advice = "decoder.lm_unit is 'word' for a model of words; 'dstoolkit lm train --unit token' makes one of tokens"
        raise ConfigError("decoder.lm", found, f"expected tokens such as {few(names[1:])}", advice)
    return np.array(
        [model.ids.get(name, UNKNOWN) if at != BLANK else UNKNOWN for at, name in enumerate(names)], np.int32
    )


def model_trie(path: str, tokens: Sequence[str]) -> Trie:
    """The model's words over the tokens' characters. Raises ConfigError where they can write few of them."""
    made, strange, count = _trie(*version(path), tuple(tokens))
    if count - len(strange) < SPELLABLE * count or not count:
        found = f"'{path}': {len(strange)} of its {count} words have characters that no token has: {few(strange)}"
        raise ConfigError("decoder.lm", found, f"expected words of {characters(Alphabet(tokens))}", RETRAIN)
    return made


def lexicon_trie(path: str, alphabet: Alphabet, numbers: Mapping[str, int]) -> Trie:
    """The lexicon's words, each with the language model's number of it."""
    words = {word: numbers.get(word, UNKNOWN) for word in read_lexicon(Path(path))}
    made, strange = trie_of(alphabet, words)
    Faults.check(
        DataError(path, f"word '{word}' has characters that no token has", f"expected {characters(alphabet)}")
        for word in strange
    )
    return made


def read_lexicon(path: Path) -> list[str]:
    """Words, the first of each line (what follows, a pronunciation say, is passed over). Raises DataError or Faults."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise DataError(path, (error.strerror or str(error)).lower(), "expected words, one a line") from error
    words: dict[str, None] = {}
    faults: list[DstoolkitError] = []
    for number, line in enumerate(lines, start=1):
        try:
            words.update(dict.fromkeys(line.decode("utf-8-sig" if number == 1 else "utf-8").split()[:1]))
        except UnicodeDecodeError:
            faults.append(DataError(f"{path}:{number}", "not UTF-8 text", "expected a word"))
    if not words and not faults:
        faults.append(DataError(path, "no words", "expected words, one a line"))
    Faults.check(faults)
    return list(words)


def check_hotwords(alphabet: Alphabet, phrases: Mapping[str, float]) -> None:
    """Raises ConfigError or Faults for those that no tokens can write."""
    Faults.check(
        ConfigError(
            "decoder.hotwords", f"'{phrase}' has characters that no token has", f"expected {characters(alphabet)}"
        )
        for phrase in phrases
        if alphabet.spell(phrase) is None
    )


def characters(alphabet: Alphabet) -> str:
    shown = "".join(sorted(letter for letter in alphabet.codes if letter != " "))
    return f"'{shown[:60]}'" + (f" and {len(shown) - 60} more" if len(shown) > 60 else "")
