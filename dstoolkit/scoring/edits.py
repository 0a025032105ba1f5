"""Compiled minimum-cost alignment: Wagner & Fischer (1974) in a band, its path by divide and conquer where it is long.

A correct pair costs nothing, a deletion or an insertion ``gap``, a substitution ``pair`` and, where ``unlike`` is 1, 1
for each letter that only one of the two words has. Where moves to a cell cost the same, a pair is taken before an
insertion before a deletion. That fixes one alignment of two sequences, their *path*, however much of the table is
computed at once:

- Band (Ukkonen 1985): a path that strays ``slack`` diagonals beyond both corners has more than
  ``|m - n| + 2 * slack`` gaps. Where the total found within costs less than those, the path lies within. Otherwise the
  band widens.
- Length: the moves of a band with more than ``CELLS`` cells are not kept. Instead each cell carries the column at which
  its path leaves the middle row, and the two halves are solved alike (after Hirschberg 1975, who meets from both ends;
  looking back alone keeps which of several equal paths is meant). Memory grows with the length, time doubles.

Sequences are int32 ids, those of a batch end to end. The readable twin is ``reference.py``.
"""

from __future__ import annotations

import numpy as np

from dstoolkit.compiled import inlined, kernel

FAR = np.int64(1) << 61  # of a cell outside the band: above any other, and it can be added to
FIRST_SLACK = 16  # most utterances are shorter and pass whole
CELLS = 1 << 24  # of a band whose moves are kept, a byte each
CORRECT, SUBSTITUTION, DELETION, INSERTION = (np.uint8(ord(letter)) for letter in "CSDI")
NOWHERE = np.int64(-1)  # no middle row; a plain -1 would be a type of its own, to compile everything for
LEVENSHTEIN, SCLITE = 0, 1
# A cell of ``sweep``: 39 bits of cost, 2 of the step's preference, 20 of a column or a number of substitutions
LONGEST = 700_000  # units of a sequence: a cost, at most LONGEST * (LONGEST + 2), has 39 bits
SHIFT = 22
INSERTED, DELETED = np.int64(1) << 20, np.int64(2) << 20
CARRIED = (np.int64(1) << 20) - 1
CLEARED = ~(np.int64(3) << 20)


@inlined
def set_bits(word):
    """How many bits of an unsigned 64-bit integer are set."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@kernel
def costs_of(mode, n, m, letters):
    """``gap``, ``pair`` and ``unlike`` of a pair of sequences.

    sclite's are constants. Levenshtein's rank edits before substitutions before unlike letters: a total is
    ``edits * gap + substitutions * scale + letters``, each term smaller than one step of the term before.
    """
    if mode == SCLITE:
        return 3, 4, 0
    most = min(n, m)  # substitutions
    if len(letters) == 0 or (n + 1) * (m + 1) > CELLS:  # of these alone ``fill`` sees all
        return most + 1, most + 2, 0
    scale = 64 * most + 1
    return (most + 1) * scale, (most + 2) * scale, 1


@kernel
def fill(ref, hyp, letters, costs, low, high, row, moves):
    """The table of ``ref`` against ``hyp`` on the diagonals (column - row) ``low`` to ``high``, row by row; returns the
    total. ``moves`` gets the last step to each cell (``trace`` knows where), ``row``, ``(m + 1,)``, is room."""
    gap, pair, unlike = costs
    n, m, width = len(ref), len(hyp), min(high - low, len(hyp)) + 1
    for j in range(min(m, high) + 1):
        row[j] = j * gap
        moves[j] = INSERTION
    for i in range(1, n + 1):
        word = ref[i - 1]
        first, last = max(0, i + low), min(m, i + high)
        at = i * width - first
        if i + high <= m:  # a column that the row above has not
            row[last] = FAR
        diagonal, left = row[max(first - 1, 0)], FAR
        if first == 0:
            left = row[0] = i * gap
            moves[at] = DELETION
        for j in range(max(first, 1), last + 1):
            best, step = diagonal, CORRECT
            other = hyp[j - 1]
            if other != word:
                best, step = best + pair, SUBSTITUTION
                if unlike:
                    best += set_bits(letters[word] ^ letters[other])
            if left + gap < best:
                best, step = left + gap, INSERTION
            diagonal = row[j]
            if diagonal + gap < best:
                best, step = diagonal + gap, DELETION
            moves[at + j] = step
            left = row[j] = best
    return row[m]


@kernel
def sweep(ref, hyp, costs, low, high, middle, lines, backward):
    """The same table without moves and ``unlike``, antidiagonal by antidiagonal, on vector registers.

    Returns the total and what the path carries: where ``middle`` is a row, the column at which it leaves that row;
    where it is ``NOWHERE``, its substitutions. A cell is one integer, from the top: its cost, the preference of the
    last step (cleared once the least is chosen) and what it carries. ``lines``, ``(3, n + 3)``, are room for three
    antidiagonals, row i at i + 1; ``backward``, ``(m,)``, for ``hyp`` from its end, so that both run the same way.
    """
    gap, pair = costs[0] << SHIFT, (costs[1] << SHIFT) + (middle == NOWHERE)
    n, m = len(ref), len(hyp)
    for j in range(m):
        backward[j] = hyp[m - 1 - j]
    before, last, now = lines[0], lines[1], lines[2]
    before[:3], last[:3] = FAR, FAR
    for d in range(n + m + 1):
        first, final = max(0, d - m, (d - high + 1) // 2), min(n, d, (d - low) // 2)
        start = max(first, 1)
        count = max(0, min(final, d - 1) + 1 - start)
        words, others = ref[start - 1 :], backward[m - d + start :]
        pairs, insertions, deletions, cells = before[start:], last[start + 1 :], last[start:], now[start + 1 :]
        for k in range(count):
            best = pairs[k] + (pair if words[k] != others[k] else 0)
            best = min(best, insertions[k] + (gap + INSERTED), deletions[k] + (gap + DELETED))
            cells[k] = best & CLEARED
        if first == 0:
            now[1] = d * gap
        if final == d:
            now[d + 1] = d * gap
        now[first], now[final + 2] = FAR, FAR
        if first <= middle <= final:
            now[middle + 1] = (now[middle + 1] & ~CARRIED) | (d - middle)
        before, last, now = last, now, before
    return last[n + 1] >> SHIFT, last[n + 1] & CARRIED


@kernel
def trace(ref, hyp, low, high, moves, steps, end):
    """Write the path that ``moves`` holds into ``steps`` so that it ends before ``end``; returns where it starts."""
    i, j = len(ref), len(hyp)
    width = min(high - low, j) + 1
    while i > 0 or j > 0:
        step = moves[i * width - max(0, i + low) + j]
        end -= 1
        steps[end] = step
        i -= step != INSERTION
        j -= step != DELETION
    return end


@kernel
def search(ref, hyp, letters, costs, middle, row, lines, backward, moves):
    """The table in a band wide enough: total, what the path carries, the band's ends, and whether ``moves`` were kept,
    for which they must have room."""
    n, m, gap = len(ref), len(hyp), costs[0]
    slack, before, carried = FIRST_SLACK, FAR, np.int64(0)
    while True:
        low, high = max(min(0, m - n) - slack, -n), min(max(0, m - n) + slack, m)
        kept = (n + 1) * (min(high - low, m) + 1) <= len(moves)
        if kept:
            total = fill(ref, hyp, letters, costs, low, high, row, moves)
        else:
            total, carried = sweep(ref, hyp, costs, low, high, middle, lines, backward)
        strays = (total // gap - abs(m - n)) // 2  # how far a path as cheap as this may go
        if strays <= slack or (low == -n and high == m):
            return total, carried, low, high, kept
        # A total that has hardly fallen is about the final one: the next band is the last
        slack = strays if 10 * total > 9 * before else min(4 * slack, strays)
        before = total


@kernel
def path(ref, hyp, letters, costs, row, lines, backward, moves, steps):
    """Write the path's steps, as letters, to the end of ``steps``; returns where they start.

    ``moves`` has room for two rows at least, so that halving ends. Parts are solved from the last to the first.
    """
    end, waiting = len(steps), 1
    parts = np.zeros((64, 4), np.int64)  # a part and, for each halving, the one before it: below 2 log2(n)
    parts[0, 1], parts[0, 3] = len(ref), len(hyp)
    while waiting:
        waiting -= 1
        top, bottom, left, right = parts[waiting]
        middle = (bottom - top) // 2
        words, others = ref[top:bottom], hyp[left:right]
        _, column, low, high, kept = search(words, others, letters, costs, middle, row, lines, backward, moves)
        if kept:
            end = trace(words, others, low, high, moves, steps, end)
            continue
        parts[waiting, 1], parts[waiting, 3] = top + middle, left + column
        waiting += 1
        parts[waiting] = (top + middle, bottom, left + column, right)
        waiting += 1
    return end


@kernel
def align_batch(mode, refs, ref_ends, hyps, hyp_ends, letters, steps, starts, counts):
    """The steps and counts of all pairs.

    ``refs`` and ``hyps`` hold the ids of all sequences, each ending at its ``ends``; ``letters`` one set of 64 bits for
    each id, or nothing. ``steps`` has a place for each id of both; pair ``k``'s are written to the end of its share, to
    ``ref_ends[k] + hyp_ends[k]``, from ``starts[k]`` on. ``counts``, ``(pairs, 3)``: substitutions, deletions,
    insertions.
    """
    row, lines, backward, moves = room(ref_ends, hyp_ends, CELLS)
    r = h = 0
    for k in range(len(ref_ends)):
        ref, hyp = refs[r : ref_ends[k]], hyps[h : hyp_ends[k]]
        share = steps[r + h : ref_ends[k] + hyp_ends[k]]
        costs = costs_of(mode, len(ref), len(hyp), letters)
        start = path(ref, hyp, letters, costs, row, lines, backward, moves, share)
        for at in range(start, len(share)):
            counts[k, 0] += share[at] == SUBSTITUTION
            counts[k, 1] += share[at] == DELETION
            counts[k, 2] += share[at] == INSERTION
        starts[k] = r + h + start
        r, h = ref_ends[k], hyp_ends[k]


@kernel
def room(ref_ends, hyp_ends, cells):
    """``row``, ``lines``, ``backward`` and ``moves`` for the largest pairs: ``moves`` for as many as ``cells``, or for
    two rows."""
    tallest = widest = most = r = h = 0
    for k in range(len(ref_ends)):
        n, m = ref_ends[k] - r, hyp_ends[k] - h
        tallest, widest, most = max(tallest, n), max(widest, m), max(most, (n + 1) * (m + 1))
        r, h = ref_ends[k], hyp_ends[k]
    moves = np.empty(min(most, max(cells, 2 * (widest + 1))) if cells else 0, np.uint8)
    return np.empty(widest + 1, np.int64), np.empty((3, tallest + 3), np.int64), np.empty(widest, np.int32), moves


@kernel
def count_batch(mode, refs, ref_ends, hyps, hyp_ends, counts):
    """``align_batch`` without the steps, for units that are not words: takes half the time for long pairs."""
    letters = np.empty(0, np.uint64)
    row, lines, backward, moves = room(ref_ends, hyp_ends, 0)
    r = h = 0
    for k in range(len(ref_ends)):
        ref, hyp = refs[r : ref_ends[k]], hyps[h : hyp_ends[k]]
        costs = costs_of(mode, len(ref), len(hyp), letters)
        total, substitutions = search(ref, hyp, letters, costs, NOWHERE, row, lines, backward, moves)[:2]
        gaps = (total - substitutions * costs[1]) // costs[0]
        counts[k, 0] = substitutions
        counts[k, 1] = (gaps + len(ref) - len(hyp)) // 2
        counts[k, 2] = gaps - counts[k, 1]
        r, h = ref_ends[k], hyp_ends[k]
