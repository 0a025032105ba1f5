"""The lines of ARPA files read in compiled code: a log10 probability, words, maybe a log10 backoff, apart by blanks and
tabs. Here it is only found that something is wrong with a line; ``arpa_reader`` says what."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dstoolkit.compiled import in_order, inlined

ENDS, MORE, BAD = 0, 1, 2  # the section ends before this line; the block, or the room, does; this line is bad
LARGEST_FIGURE = 1e30  # a log10 figure beyond is none; keeps the natural logs finite in float32
LINE_FEED, TAB, RETURN, SPACE, PLUS, MINUS, POINT, ZERO, NINE, BACKSLASH, CAPITAL_E, SMALL_E = b"\n\t\r +-.09\\Ee"
ENOUGH = 10**17  # a mantissa that takes no more digits: beyond what a float64 tells apart
MOST_POWER = np.int64(9999)
EXACT = 10.0 ** np.arange(23)  # the powers of 10 that a float64 holds exactly
FNV_BASIS, FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)  # FNV-1a (Fowler, Noll, Vo), 64 bits


class Vocabulary(NamedTuple):
    """``text``: the words' UTF-8, uint8, each ended by a line feed; that of id i begins at ``starts[i]``. ``table``:
    ids int32 in the order of hashes, -1 where free; a power of two long, at most half full."""

    text: Any
    starts: Any
    table: Any


@in_order
def vocabulary_table(text: Any, starts: Any, table: Any) -> None:
    """Put every id into a table that is all -1. Words are told apart by who calls; of equal ones the first is found."""
    for word in range(len(starts)):
        end = starts[word]
        while text[end] != LINE_FEED:
            end += 1
        at = _home(text, starts[word], end, len(table))
        while table[at] >= 0:
            at = (at + 1) & (len(table) - 1)
        table[at] = word


@inlined
def _home(text: Any, begin: Any, end: Any, size: Any) -> Any:
    value = FNV_BASIS
    for at in range(begin, end):
        value = (value ^ np.uint64(text[at])) * FNV_PRIME
    return np.int64((value ^ (value >> np.uint64(32))) & np.uint64(size - 1))


@inlined
def _word(vocabulary: Any, block: Any, begin: Any, end: Any) -> Any:
    """The id of the word ``block[begin:end]``, -1 where it is unknown."""
    table = vocabulary.table
    at = _home(block, begin, end, len(table))
    while table[at] >= 0:
        start, size = vocabulary.starts[table[at]], end - begin
        same = 0
        while same < size and vocabulary.text[start + same] == block[begin + same]:
            same += 1
        if same == size and vocabulary.text[start + size] == LINE_FEED:
            return table[at]
        at = (at + 1) & (len(table) - 1)
    return np.int32(-1)


@inlined
def _field(block: Any, at: Any) -> Any:
    """Where the next field of the line begins and ends; an empty one at the line's end."""
    while block[at] == SPACE or block[at] == TAB or (block[at] == RETURN and block[at + 1] == LINE_FEED):
        at += 1
    begin = at
    while not (block[at] == SPACE or block[at] == TAB or block[at] == LINE_FEED):
        at += 1
    return begin, at - (at > begin and block[at] == LINE_FEED and block[at - 1] == RETURN)


@in_order
def number(block: Any, at: Any, end: Any) -> Any:
    """The decimal number that is ``block[at:end]``; NaN where it is none, or beyond ``LARGEST_FIGURE``."""
    negative = at < end and block[at] == MINUS
    at += at < end and (block[at] == MINUS or block[at] == PLUS)
    mantissa, exponent, digits, point = np.int64(0), np.int64(0), 0, 0
    while at < end and (ZERO <= block[at] <= NINE or (block[at] == POINT and not point)):
        if block[at] == POINT:
            point = 1
        else:
            digits += 1
            if mantissa < ENOUGH:
                mantissa, exponent = mantissa * 10 + np.int64(block[at]) - ZERO, exponent - point
            else:
                exponent += 1 - point
        at += 1
    if digits == 0:
        return np.nan
    if at < end and (block[at] == SMALL_E or block[at] == CAPITAL_E):
        power, at = _power(block, at + 1, end)
        exponent += power
    value = _scaled(np.float64(mantissa), exponent)
    if at < end or value > LARGEST_FIGURE:
        return np.nan
    return -value if negative else value


@inlined
def _power(block: Any, at: Any, end: Any) -> Any:
    """The exponent of a number, and where it ends; where there is none, a place before ``end``."""
    down = at < end and block[at] == MINUS
    at += at < end and (block[at] == MINUS or block[at] == PLUS)
    power, begin = np.int64(0), at
    while at < end and ZERO <= block[at] <= NINE:
        power = min(power * 10 + np.int64(block[at]) - ZERO, MOST_POWER)
        at += 1
    return (-power if down else power), (at if at > begin else begin - 1)


@inlined
def _scaled(mantissa: Any, exponent: Any) -> Any:
    """``mantissa * 10 ** exponent``: rounded once where the power is exact."""
    if 0 <= -exponent < len(EXACT):
        return mantissa / EXACT[-exponent]
    if mantissa == 0.0:
        return 0.0
    return mantissa * 10.0**exponent


@inlined
def _starts_no_ngram(byte: Any) -> Any:
    return byte in (LINE_FEED, RETURN, BACKSLASH)


@in_order
def read_unigrams(block: Any, at: Any, highest: Any, spans: Any, probs: Any, backoffs: Any) -> Any:
    """Lines from ``block[at]`` on, which ends in a line feed. ``spans`` ``(room, 2)``: where their words lie.

    How many lines were read, where the next begins, and why it was not read: ``ENDS``, ``MORE`` or ``BAD``.
    """
    count = 0
    while at < len(block) and count < len(probs):
        if _starts_no_ngram(block[at]):
            return count, at, ENDS
        begin, end = _field(block, at)
        probs[count] = number(block, begin, end)
        spans[count, 0], spans[count, 1] = _field(block, end)
        end, backoffs[count] = _backoff(block, spans[count, 1])
        empty = spans[count, 0] == spans[count, 1]
        if empty or not _sound(probs[count], backoffs[count], highest) or block[end] != LINE_FEED:
            return count, at, BAD
        at, count = end + 1, count + 1
    return count, at, MORE


@in_order
def read_ngrams(block: Any, at: Any, highest: Any, vocabulary: Any, words: Any, probs: Any, backoffs: Any) -> Any:
    """As ``read_unigrams``; ``words`` ``(room, order)`` get the ids of known words."""
    count = 0
    while at < len(block) and count < len(probs):
        if _starts_no_ngram(block[at]):
            return count, at, ENDS
        begin, end = _field(block, at)
        probs[count] = number(block, begin, end)
        known = True
        for place in range(words.shape[1]):
            begin, end = _field(block, end)
            words[count, place] = _word(vocabulary, block, begin, end) if begin < end else np.int32(-1)
            known &= words[count, place] >= 0
        end, backoffs[count] = _backoff(block, end)
        if not known or not _sound(probs[count], backoffs[count], highest) or block[end] != LINE_FEED:
            return count, at, BAD
        at, count = end + 1, count + 1
    return count, at, MORE


@inlined
def _backoff(block: Any, at: Any) -> Any:
    """The place after the last field and the blanks that follow it, and its value: 0 where there is none."""
    begin, end = _field(block, at)
    value = number(block, begin, end) if begin < end else 0.0
    _, end = _field(block, end) if block[end] != LINE_FEED else (end, end)
    return end, value


@inlined
def _sound(prob: Any, backoff: Any, highest: Any) -> Any:
    """Whether the figures can be: a probability of at most 1, and a backoff, of the highest order none."""
    return prob <= 0.0 and (backoff == 0.0 if highest else not np.isnan(backoff))
