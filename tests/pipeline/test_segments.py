"""Where long outputs are cut: cases by hand, and that no frame is lost, wherever the pieces end."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dstoolkit.decoding.words import WORD_MARK
from dstoolkit.pipeline.segments import Cutter, Stretch

LETTERS = ["<blank>", " ", "a", "b"]
PIECES = ["<blank>", f"{WORD_MARK}a", "b"]
SHIFT = 0.1  # seconds: half a second of blanks are five frames


def outputs(best: str, tokens: list[str] = LETTERS) -> torch.Tensor:
    """``(frames, vocab)`` whose likeliest tokens are these: ``_`` a blank, ``A`` the piece that begins a word."""
    signs = {"_": 0, "A": 1, **{each: at for at, each in enumerate(tokens) if at}}
    rows = torch.full((len(best), len(tokens)), 0.01)
    rows[range(len(best)), [signs[each] for each in best]] = 0.9
    return rows.log()


def cut(best: str, longest: int, tokens: list[str] = LETTERS) -> list[str]:
    """The stretches of outputs, by their likeliest tokens."""
    cutter = Cutter(longest, tokens, SHIFT)
    stretches = [*cutter.add(outputs(best, tokens)), cutter.finish()]
    return [best[each.start : each.start + len(each.log_probs)] for each in stretches]


@pytest.mark.parametrize(
    ("best", "longest", "wanted"),
    [
        ("ab_______b", 10, ["ab_______b"]),  # no longer than a stretch: never cut
        ("ab_____aaaaa", 9, ["ab__", "___aaaaa"]),  # in the middle of five blanks
        ("aaa_ _aaa____aa", 12, ["aaa_", " _aaa____aa"]),  # a space counts for more than four blanks
        ("aaa_ _aaaa_____aa", 14, ["aaa_ _aaaa__", "___aa"]),  # but not for more than half a second
        ("aaa__aaa___a", 11, ["aaa__aaa_", "__a"]),  # no pause: the longest run of blanks
        ("_____aaaaaaa_aaaa", 15, ["_____aaaaaaa", "_aaaa"]),  # the long pause is in the first third
        ("aaa_ _aaa_ _aaa_ _", 9, ["aaa_", " _aaa_", " _aaa_ _"]),
    ],
)
def test_cuts_by_hand(best: str, longest: int, wanted: list[str]) -> None:
    assert cut(best, longest) == wanted


def test_blanks_before_a_piece_that_begins_a_word_are_a_pause() -> None:
    assert cut("Abbb__Abb____bb", 12, PIECES) == ["Abbb_", "_Abb____bb"]
    assert cut("Abbb__bbb____bb", 12, PIECES) == ["Abbb__bbb__", "__bb"]


def test_without_blanks_the_frame_that_is_most_likely_one() -> None:
    log_probs = outputs("aaaaaaaaaaaa")
    log_probs[[1, 7], 0] = torch.tensor([0.6, 0.5]).log()  # the first is in the first third
    cutter = Cutter(9, LETTERS, SHIFT)
    assert [len(each.log_probs) for each in cutter.add(log_probs)] == [7]
    assert (cutter.finish().start, len(cutter.finish().log_probs)) == (7, 5)


@pytest.mark.parametrize("seed", range(5))
def test_stretches_are_the_whole_wherever_pieces_end(seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole = torch.from_numpy(rng.normal(size=(500, 4)) + rng.choice([0, 3], (500, 1)) * [1, 0, 0, 0]).float()
    longest = int(rng.integers(2, 60))
    found: list[list[Stretch]] = []
    for borders in ([], sorted(rng.choice(500, 20).tolist()), range(1, 500)):
        cutter = Cutter(longest, LETTERS, SHIFT)
        pieces = np.split(whole.numpy(), borders)
        found.append([*(each for piece in pieces for each in cutter.add(torch.from_numpy(piece))), cutter.finish()])
    for stretches in found:
        assert torch.equal(torch.cat([each.log_probs for each in stretches]), whole)
        lengths = [len(each.log_probs) for each in stretches]
        assert (
            [each.start for each in stretches] == np.cumsum([0, *lengths[:-1]]).tolist() == [e.start for e in found[0]]
        )
        assert max(lengths) <= longest
        assert all(each >= longest // 3 for each in lengths[:-1])
