"""The decoders that ``decoding.py`` compares, each as a function from one utterance's log-probabilities to its text.

All get float32 natural logs ``(frames, vocab)`` of single characters, the blank first, and one thread. A text comes
back as its decoder found it, spaces and all. What a decoder cannot do is None, and is left out of that table:

- ``dstoolkit``: the decoder ``beam``; a beam of 100 is 100 prefixes.
- ``pyctcdecode``, ``ctc-beam-decoder``: a beam of 100 is 100 pairs of a prefix and whether it ends in a blank. Spaces
  in a row count as one. A word that the vocabulary lacks costs ``unknown``; so does, while it is spelled, a beginning
  that no word of the vocabulary has. With a lexicon that price is high enough to shut such words out. With a model
  they charge a text that was found with a space at its end for an unknown word; pruning mostly leaves no such text.
- ``flashlight``: pairs as above. Without a model its lexicon-free decoder, with one its lexicon decoder, which knows no
  word but the lexicon's and takes spaces in a row for one. Its words end in a space, so the utterance gets one more
  frame, a space. One decoder serves all calls, so each frees the hypotheses of the one before: more than half the time.
"""

from __future__ import annotations

import importlib.util
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dstoolkit.interfaces import BLANK, Tokenizer

Decode = Callable[[np.ndarray], str]
PEERS = {"pyctcdecode": "pyctcdecode", "ctc-beam-decoder": "ctc_beam_decoder", "flashlight": "flashlight.lib.text"}
TOKEN_PRUNING, BEAM_PRUNING = -5.0, -10.0  # nats; pyctcdecode's defaults
NONE = -1e9  # nats: a threshold that nothing falls below
SHUT_OUT = -1e4  # nats: the price of a word that a lexicon lacks
SURE = -1e4  # nats: an impossible token's log-probability


@dataclass(frozen=True)
class Settings:
    """What all decoders are asked for. ``lm``: an ARPA file of words; ``lexicon``: a file of the only words allowed.

    ``pruned``: leave out prefixes ``BEAM_PRUNING`` below the best and, where that is the decoder's custom, tokens below
    ``TOKEN_PRUNING``, with pyctcdecode's and ctc-beam-decoder's pruning of texts that agree in their last words too;
    otherwise the beam alone decides. A score is the log-probability plus ``alpha`` times the model's (natural logs,
    the sentence's end included), ``beta`` for each word and ``unknown`` for each that the model lacks.
    """

    beam: int = 100
    pruned: bool = False
    lm: Path | None = None
    lexicon: Path | None = None
    alpha: float = 0.5
    beta: float = 1.0
    unknown: float = -10.0

    @property
    def words(self) -> list[str] | None:
        return self.lexicon.read_text(encoding="utf-8").split() if self.lexicon else None


def arpa_words(path: Path) -> list[str]:
    """The words of a model, its marks for sentences and unknown words left out."""
    from dstoolkit.decoding.ngram import Ngram

    return [word for word in Ngram.load(path).words if word not in ("<s>", "</s>", "<unk>")]


def missing(peers: Sequence[str]) -> list[str]:
    """Those of ``peers`` that are not installed."""
    return [name for name in peers if not installed(PEERS[name])]


def installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def make(name: str, settings: Settings, tokenizer: Tokenizer) -> Decode | None:
    builders: dict[str, Callable[[Settings, Tokenizer], Decode | None]] = {
        "dstoolkit": ours,
        "pyctcdecode": pyctcdecode,
        "ctc-beam-decoder": ctc_beam_decoder,
        "flashlight": flashlight,
    }
    return builders[name](settings, tokenizer)


def ours(settings: Settings, tokenizer: Tokenizer) -> Decode:
    from dstoolkit.decoding.beam import Beam, BeamConfig

    config = BeamConfig(
        beam=settings.beam,
        lm=str(settings.lm or ""),
        alpha=settings.alpha,
        beta=settings.beta,
        unknown_score=settings.unknown,
        lexicon=str(settings.lexicon or ""),
        beam_threshold=-BEAM_PRUNING if settings.pruned else 0.0,
    )
    decoder = Beam(config, tokenizer)

    def decode(log_probs: np.ndarray) -> str:
        found = decoder.decode(torch.from_numpy(log_probs)[None], torch.tensor([len(log_probs)]), 0.01)
        return found[0][0].text

    return decode


def pyctcdecode(settings: Settings, tokenizer: Tokenizer) -> Decode | None:
    logging.getLogger("pyctcdecode").setLevel(logging.ERROR)  # it warns of choices made here on purpose
    import pyctcdecode

    return _like_pyctcdecode(pyctcdecode.build_ctcdecoder, settings, tokenizer)


def ctc_beam_decoder(settings: Settings, tokenizer: Tokenizer) -> Decode | None:
    import ctc_beam_decoder

    return _like_pyctcdecode(ctc_beam_decoder.build_ctcdecoder, settings, tokenizer)


def _like_pyctcdecode(build: Callable[..., Any], settings: Settings, tokenizer: Tokenizer) -> Decode | None:
    """The two have one interface. Its offset for unknown words is multiplied by alpha, and is in powers of ten."""
    if settings.lexicon and not settings.lm:
        return None
    model: dict[str, Any] = {}
    if settings.lm:
        unknown = SHUT_OUT if settings.lexicon else settings.unknown
        offset = unknown / (settings.alpha * math.log(10)) if settings.alpha else 0.0
        words = settings.words or arpa_words(settings.lm)
        model = {"kenlm_model_path": str(settings.lm), "unigrams": words, "unk_score_offset": offset}
        model |= {"alpha": settings.alpha, "beta": settings.beta}
    decoder = build(["", *tokenizer.tokens[1:]], **model)
    token, beam = (TOKEN_PRUNING, BEAM_PRUNING) if settings.pruned else (NONE, NONE)
    options = {"beam_width": settings.beam, "token_min_logp": token, "beam_prune_logp": beam}

    def decode(log_probs: np.ndarray) -> str:
        beams = decoder.decode_beams(log_probs, prune_history=settings.pruned, **options)
        return beams[0][0]

    return decode


def flashlight(settings: Settings, tokenizer: Tokenizer) -> Decode | None:
    if bool(settings.lexicon) != bool(settings.lm):
        return None
    return _flashlight_lexicon(settings, tokenizer) if settings.lm else _flashlight_free(settings, tokenizer)


def _flashlight_free(settings: Settings, tokenizer: Tokenizer) -> Decode:
    from flashlight.lib.text import decoder as fl

    names = tokenizer.tokens
    options = fl.LexiconFreeDecoderOptions(lm_weight=0.0, **_flashlight_options(settings, len(names)))
    decoder = fl.LexiconFreeDecoder(options, fl.ZeroLM(), names.index(" "), BLANK, [])

    def decode(log_probs: np.ndarray) -> str:
        path = decoder.decode(log_probs.ctypes.data, *log_probs.shape)[0].tokens
        return tokenizer.decode(collapsed(path))

    return decode


def _flashlight_options(settings: Settings, vocab: int) -> dict[str, Any]:
    from flashlight.lib.text.decoder import CriterionType

    return {
        "beam_size": settings.beam,
        "beam_size_token": vocab,
        "beam_threshold": -(BEAM_PRUNING if settings.pruned else NONE),
        "sil_score": 0.0,
        "log_add": True,
        "criterion_type": CriterionType.CTC,
    }


def collapsed(path: Sequence[int]) -> list[int]:
    """A path of tokens, one a frame and a space at either end, as the text's tokens."""
    inner = path[1:-1]
    return [token for at, token in enumerate(inner) if token != BLANK and (at == 0 or token != inner[at - 1])]


def _flashlight_lexicon(settings: Settings, tokenizer: Tokenizer) -> Decode:
    from flashlight.lib.text import decoder as fl
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    space, words = tokenizer.tokens.index(" "), [*(settings.words or []), "<unk>"]
    dictionary = Dictionary(words)
    model = KenLM(str(settings.lm), dictionary)
    trie, start = fl.Trie(len(tokenizer.tokens), space), model.start(False)
    for word in words[:-1]:
        number = dictionary.get_index(word)
        trie.insert([*tokenizer.encode(word), space], number, model.score(start, number)[1])
    trie.smear(fl.SmearingMode.MAX)
    options = fl.LexiconDecoderOptions(
        lm_weight=settings.alpha * math.log(10),  # its model speaks in powers of ten
        word_score=settings.beta,
        unk_score=-math.inf,
        **_flashlight_options(settings, len(tokenizer.tokens)),
    )
    decoder = fl.LexiconDecoder(options, trie, model, space, BLANK, len(words) - 1, [], False)
    last = np.full((1, len(tokenizer.tokens)), SURE, np.float32)
    last[0, space] = 0.0

    def decode(log_probs: np.ndarray) -> str:
        rows = np.concatenate([log_probs, last])
        found = decoder.decode(rows.ctypes.data, *rows.shape)
        return " ".join(dictionary.get_entry(each) for each in found[0].words if each >= 0)

    return decode
