"""Compiled minimum-cost alignment: Wagner & Fischer (1974) in a band, its path by divide and conquer where it is long.

A correct pair costs nothing, a deletion or an insertion ``gap``, a substitution ``pair`` and ``unlike`` for each letter
that only one of the two words has. Where moves to a cell cost the same, a pair is taken before an insertion before a
deletion. That fixes one alignment of two sequences, their *path*, however much of the table is computed at once:

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

FAR = np.int64(1) << 61  # of a cell outside the band: above any total, and it can be added to
FIRST_SLACK = 16  # most utterances are shorter and pass whole
CELLS = 1 << 24  # of a band whose moves are kept, a byte each
CORRECT, SUBSTITUTION, DELETION, INSERTION = (np.uint8(ord(letter)) for letter in "CSDI")
NOWHERE = np.int64(-1)  # no middle row; a plain -1 would be a type of its own, to compile everything for
LEVENSHTEIN, SCLITE = 0, 1


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
    if len(letters) == 0 or n * m > CELLS:
        return most + 1, most + 2, 0
    scale = 64 * most + 1
    return (most + 1) * scale, (most + 2) * scale, 1


@kernel
def fill(ref, hyp, letters, costs, low, high, middle, row, carry, moves):
    """The table of ``ref`` against ``hyp`` on the diagonals (column - row) ``low`` to ``high``; returns the total.

    ``row`` and ``carry``, ``(m + 1,)``, end as the table's last row. ``carry`` holds of each cell's path: where
    ``middle`` is a row, the column at which it leaves that row; where it is ``NOWHERE``, its substitutions. ``moves``,
    where it has any room, gets the last step to each cell: ``places`` says where.
    """
    gap, pair, unlike = costs
    n, m, width = len(ref), len(hyp), min(high - low, len(hyp)) + 1
    keep, count = len(moves) > 0, np.int32(middle == NOWHERE)
    for j in range(min(m, high) + 1):
        row[j] = j * gap
        carry[j] = 0
        if keep:
            moves[j] = INSERTION
    for i in range(1, n + 1):
        word = ref[i - 1]
        first, last = max(0, i + low), min(m, i + high)
        at = i * width - first
        if i + high <= m:  # a column that the row above has not
            row[last] = FAR
        left, from_left = FAR, np.int32(0)
        if first == 0:
            diagonal, from_diagonal = row[0], carry[0]
            left = row[0] = i * gap
            if keep:
                moves[at] = DELETION
        else:
            diagonal, from_diagonal = row[first - 1], carry[first - 1]
        for j in range(max(first, 1), last + 1):
            best, step, path = diagonal, CORRECT, from_diagonal
            other = hyp[j - 1]
            if other != word:
                best, step, path = best + pair, SUBSTITUTION, path + count
                if unlike:
                    best += set_bits(letters[word] ^ letters[other])
            if left + gap < best:
                best, step, path = left + gap, INSERTION, from_left
            diagonal, from_diagonal = row[j], carry[j]
            if diagonal + gap < best:
                best, step, path = diagonal + gap, DELETION, from_diagonal
            if keep:
                moves[at + j] = step
            row[j], carry[j] = best, path
            left, from_left = best, path
        if i == middle:
            for j in range(first, last + 1):
                carry[j] = j
    return row[m]


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
def search(ref, hyp, letters, costs, middle, row, carry, moves):
    """``fill`` in a band wide enough; returns the total, the band's ends, and whether ``moves`` holds the moves."""
    n, m, gap = len(ref), len(hyp), costs[0]
    slack, before = FIRST_SLACK, FAR
    while True:
        low, high = max(min(0, m - n) - slack, -n), min(max(0, m - n) + slack, m)
        cells = (n + 1) * (min(high - low, m) + 1)
        kept = cells <= len(moves)
        total = fill(ref, hyp, letters, costs, low, high, middle, row, carry, moves[: cells if kept else 0])
        strays = (total // gap - abs(m - n)) // 2  # how far a path as cheap as this may go
        if strays <= slack or (low == -n and high == m):
            return total, low, high, kept
        # A total that has hardly fallen is about the final one: the next band is the last
        slack = strays if 10 * total > 9 * before else min(4 * slack, strays)
        before = total


@kernel
def path(ref, hyp, letters, costs, row, carry, moves, steps):
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
        _, low, high, kept = search(words, others, letters, costs, middle, row, carry, moves)
        if kept:
            end = trace(words, others, low, high, moves, steps, end)
            continue
        column = left + carry[len(others)]
        parts[waiting, 1], parts[waiting, 3] = top + middle, column
        waiting += 1
        parts[waiting] = (top + middle, bottom, column, right)
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
    row, carry, moves = room(ref_ends, hyp_ends)
    r = h = 0
    for k in range(len(ref_ends)):
        ref, hyp = refs[r : ref_ends[k]], hyps[h : hyp_ends[k]]
        share = steps[r + h : ref_ends[k] + hyp_ends[k]]
        costs = costs_of(mode, len(ref), len(hyp), letters)
        start = path(ref, hyp, letters, costs, row, carry, moves, share)
        for at in range(start, len(share)):
            counts[k, 0] += share[at] == SUBSTITUTION
            counts[k, 1] += share[at] == DELETION
            counts[k, 2] += share[at] == INSERTION
        starts[k] = r + h + start
        r, h = ref_ends[k], hyp_ends[k]


@kernel
def room(ref_ends, hyp_ends):
    """``row``, ``carry`` and ``moves`` for the largest pair: ``moves`` holds all its cells up to ``CELLS``."""
    longest = most = r = h = 0
    for k in range(len(ref_ends)):
        n, m = ref_ends[k] - r, hyp_ends[k] - h
        longest = max(longest, m + 1)
        most = max(most, (n + 1) * (m + 1))
        r, h = ref_ends[k], hyp_ends[k]
    moves = np.empty(min(most, max(CELLS, 2 * longest)), np.uint8)
    return np.empty(longest, np.int64), np.empty(longest, np.int32), moves


@kernel
def count_batch(mode, refs, ref_ends, hyps, hyp_ends, counts):
    """``align_batch`` without the steps, for units that are not words: takes half the time for long pairs."""
    letters, moves = np.empty(0, np.uint64), np.empty(0, np.uint8)
    longest = h = r = 0
    for k in range(len(hyp_ends)):
        longest, h = max(longest, hyp_ends[k] - h + 1), hyp_ends[k]
    row, carry = np.empty(longest, np.int64), np.empty(longest, np.int32)
    h = 0
    for k in range(len(ref_ends)):
        ref, hyp = refs[r : ref_ends[k]], hyps[h : hyp_ends[k]]
        costs = costs_of(mode, len(ref), len(hyp), letters)
        total = search(ref, hyp, letters, costs, NOWHERE, row, carry, moves)[0]
        substitutions = carry[len(hyp)]
        gaps = (total - substitutions * costs[1]) // costs[0]
        counts[k, 0] = substitutions
        counts[k, 1] = (gaps + len(ref) - len(hyp)) // 2
        counts[k, 2] = gaps - counts[k, 1]
        r, h = ref_ends[k], hyp_ends[k]
