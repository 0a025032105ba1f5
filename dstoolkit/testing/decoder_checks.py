"""The contract of decoders: order, padding, scores, tokens, words, and reading what is plainly written.

Log-probabilities are seeded noise, ``(4, 30, vocab)``, over the alphabet of the tokenizer ``characters``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dstoolkit.interfaces import BLANK, Hypothesis
from dstoolkit.testing.checks import Subject, check, require
from dstoolkit.text.characters import Characters

FRAMES = 30
LENGTHS = (17, 30, 4, 22)
FRAME_SHIFT = 0.04  # s
PLAIN = "a bad cabbage fell"  # double letters need a blank between
SURE = 0.999  # the probability of each written token


def tokenizer() -> Characters:
    return Characters.train(Characters.Config(), [])


def build(subject: Subject) -> Any:
    return subject.cls(subject.config, tokenizer())


def batch(garbage: bool = False, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Log-probabilities and lengths; garbage in the padding is one sure token, a frame each."""
    vocab = len(tokenizer().tokens)
    logits = 4 * torch.randn(len(LENGTHS), FRAMES, vocab, generator=torch.Generator().manual_seed(seed))
    if garbage:
        for row, length in zip(logits, LENGTHS, strict=True):
            row[length:] = 50 * torch.nn.functional.one_hot(torch.arange(FRAMES - length) % (vocab - 1) + 1, vocab)
    return logits.log_softmax(dim=2), torch.tensor(LENGTHS)


def decode(subject: Subject, log_probs: Tensor, lengths: Tensor) -> list[list[Hypothesis]]:
    """Each utterance's hypotheses; refuses an utterance without any."""
    found: list[list[Hypothesis]] = build(subject).decode(log_probs, lengths, FRAME_SHIFT)
    require(len(found) == len(lengths), f"{len(found)} lists of hypotheses for {len(lengths)} utterances")
    require(all(found), "an utterance has no hypothesis; expected at least an empty one")
    return found


def require_same(found: list[Hypothesis], wanted: list[Hypothesis], what: str) -> None:
    texts, others = [each.text for each in found], [each.text for each in wanted]
    require(texts == others, f"{what}: {texts[:3]}, not {others[:3]}")
    gaps = [abs(one.score - other.score) for one, other in zip(found, wanted, strict=True)]
    require(max(gaps) <= 1e-3, f"{what}: scores differ by {max(gaps):.3g}")


@check("decoders")
def reads_what_is_written(subject: Subject) -> None:
    """Tokens of probability 0.999, two frames each, blanks where letters double, come out as they are."""
    path: list[int] = []
    for token in tokenizer().encode(PLAIN):
        path += [BLANK] * (path[-1:] == [token]) + [token, token]
    vocab = len(tokenizer().tokens)
    probs = torch.full((1, len(path), vocab), (1 - SURE) / (vocab - 1))
    probs[0, torch.arange(len(path)), torch.tensor(path)] = SURE
    best = decode(subject, probs.log(), torch.tensor([len(path)]))[0][0]
    require(best.text == PLAIN, f"{best.text!r} where {PLAIN!r} is written")


@check("decoders")
def padding_invariance(subject: Subject) -> None:
    """An utterance alone gives what it gives in a batch whose padding holds sure tokens."""
    log_probs, lengths = batch(garbage=True)
    together = decode(subject, log_probs, lengths)
    for at, length in enumerate(LENGTHS):
        alone = decode(subject, log_probs[at : at + 1, :length], lengths[at : at + 1])[0]
        require_same(together[at], alone, f"{length} frames padded to {FRAMES}")


@check("decoders")
def batch_order_invariance(subject: Subject) -> None:
    """The same utterances in another order give the same hypotheses in that order."""
    log_probs, lengths = batch()
    order = [2, 0, 3, 1]
    found, others = decode(subject, log_probs, lengths), decode(subject, log_probs[order], lengths[order])
    for at, other in zip(order, others, strict=True):
        require_same(other, found[at], "in another order")


@check("decoders")
def is_deterministic(subject: Subject) -> None:
    """The same decoder decodes the same twice: nothing is kept from the utterances before."""
    decoder = build(subject)
    first = decoder.decode(*batch(), FRAME_SHIFT)
    decoder.decode(*batch(seed=1), FRAME_SHIFT)
    require(first == decoder.decode(*batch(), FRAME_SHIFT), "the same input decodes differently the second time")


@check("decoders")
def best_comes_first(subject: Subject) -> None:
    """Hypotheses are sorted by score, largest first; scores are finite."""
    for hypotheses in decode(subject, *batch()):
        scores = [each.score for each in hypotheses]
        require(all(abs(score) < float("inf") for score in scores), f"scores {scores[:5]}: not finite")
        require(scores == sorted(scores, reverse=True), f"scores {scores[:5]} are not sorted")


@check("decoders")
def texts_are_those_of_tokens(subject: Subject) -> None:
    """A hypothesis's text is what the tokenizer makes of its tokens, none of them the blank."""
    for each in (each for hypotheses in decode(subject, *batch()) for each in hypotheses):
        require(BLANK not in each.tokens, "a hypothesis's tokens hold the blank")
        wanted = tokenizer().decode(each.tokens)
        require(each.text == wanted, f"text {each.text!r}, tokens {wanted!r}")


@check("decoders")
def times_and_confidences_are_sound(subject: Subject) -> None:
    """Where given: a frame and a confidence per token, frames rising within the utterance, confidences in [0, 1]."""
    for length, hypotheses in zip(LENGTHS, decode(subject, *batch()), strict=True):
        for each in hypotheses:
            for name, values in (("frames", each.frames), ("confidences", each.confidences)):
                require(len(values) in (0, len(each.tokens)), f"{len(values)} {name} for {len(each.tokens)} tokens")
            require(list(each.frames) == sorted(each.frames), f"frames {each.frames} do not rise")
            require(all(0 <= frame < length for frame in each.frames), f"frames {each.frames} of {length}")
            require(all(0 <= value <= 1 for value in each.confidences), f"confidences {each.confidences}")


@check("decoders")
def words_are_those_of_the_text(subject: Subject) -> None:
    """Where given: the text's words, in order, each within the utterance."""
    for length, hypotheses in zip(LENGTHS, decode(subject, *batch()), strict=True):
        for each in hypotheses:
            words = [word.text for word in each.words]
            require(not words or words == each.text.split(), f"words {words} of {each.text!r}")
            times = [time for word in each.words for time in (word.start, word.end)]
            require(times == sorted(times), f"words' times {times} do not rise")
            sound = all(0 <= time <= length * FRAME_SHIFT + 1e-6 for time in times)
            require(sound, f"words' times {times} in {length * FRAME_SHIFT:g} s")
            require(all(0 <= word.confidence <= 1 for word in each.words), "a word's confidence is not in [0, 1]")


@check("decoders")
def nothing_gives_nothing(subject: Subject) -> None:
    """An utterance of no frames, and one of blanks alone, have an empty best text."""
    log_probs, _ = batch()
    best = decode(subject, log_probs[:1], torch.tensor([0]))[0][0]
    require(best.text == "", f"{best.text!r} from no frames")
    blanks = torch.full_like(log_probs[:1], -20.0)
    blanks[:, :, BLANK] = 0.0
    best = decode(subject, blanks, torch.tensor([FRAMES]))[0][0]
    require(best.text == "", f"{best.text!r} from blanks")
