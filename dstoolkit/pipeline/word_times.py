"""When the words of a text are said: the spans of its tokens, from a forced alignment, made into words in seconds.

Output frame k stands for the time from k to k + 1 output frame shifts. A token lasts from its first frame on the path
to its last; a word from the first frame of its first token to the last of its last, the blanks between them included
and those around them not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from torch import Tensor

from dstoolkit.ctc.align import Alignment, Span, align
from dstoolkit.decoding.words import group_words
from dstoolkit.interfaces import Hypothesis, Word


def words_of(names: Sequence[str], spans: Sequence[Span], frame_shift: float) -> tuple[Word, ...]:
    """Tokens by their names and spans -> words. ``frame_shift`` is the output frames', in seconds."""
    begins, ends = [each.start for each in spans], [each.end for each in spans]
    return group_words(names, begins, ends, [each.confidence for each in spans], frame_shift)


def within(words: Iterable[Word], duration: float) -> tuple[Word, ...]:
    """The last output frame may reach beyond the end of the audio, ``duration`` seconds."""
    return tuple(replace(each, start=min(each.start, duration), end=min(each.end, duration)) for each in words)


def fill(
    found: Sequence[Sequence[Hypothesis]],
    log_probs: Tensor,
    lengths: Tensor,
    tokens: Sequence[str],
    frame_shift: float,
) -> list[list[Hypothesis]]:
    """Hypotheses with the frames, confidences and words that their decoder left out, by aligning their tokens.

    ``(batch, frames, vocab)``, ``(batch,)`` are what was decoded, ``tokens`` the tokenizer's. Hypotheses of one rank
    are aligned together. One that has no place in the frames stays as it is.
    """
    filled = [list(each) for each in found]
    for rank in range(max(map(len, filled), default=0)):
        rows = [at for at, each in enumerate(filled) if rank < len(each) and _lacks_times(each[rank])]
        if not rows:
            continue
        alignments = align(log_probs[rows], lengths[rows], [filled[at][rank].tokens for at in rows])
        for at, alignment in zip(rows, alignments, strict=True):
            filled[at][rank] = _timed(filled[at][rank], alignment, tokens, frame_shift)
    return filled


def _lacks_times(each: Hypothesis) -> bool:
    return bool(each.tokens) and not (each.frames and each.confidences and each.words)


def _timed(each: Hypothesis, alignment: Alignment, tokens: Sequence[str], frame_shift: float) -> Hypothesis:
    if alignment.fault:
        return each
    spans = alignment.spans
    return replace(
        each,
        frames=each.frames or tuple(span.start for span in spans),
        confidences=each.confidences or tuple(span.confidence for span in spans),
        words=each.words or words_of([tokens[token] for token in each.tokens], spans, frame_shift),
    )
