"""The search for alpha and beta: which points it tries, and which it calls the best."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.errors import ConfigError
from dstoolkit.pipeline import tuning, tuning_report
from dstoolkit.pipeline.tuning import Axis, Point
from dstoolkit.pipeline.tuning_report import Tuned
from dstoolkit.scoring.wer import ErrorCounts

WORDS = 1000


def counts(errors: int) -> ErrorCounts:
    return ErrorCounts(errors // 2, errors - errors // 2, 0, WORDS - errors)


def bowl(alpha: float, beta: float) -> tuple[ErrorCounts, ErrorCounts]:
    """Fewest errors at alpha 0.8, beta 0.6."""
    errors = round(200 * ((alpha - 0.8) ** 2 + 0.2 * (beta - 0.6) ** 2)) + 50
    return counts(errors), counts(errors + 10)


ALPHAS, BETAS = Axis(0, 2, 0.5), Axis(-1, 3, 1)


class TestAxis:
    @pytest.mark.parametrize(
        ("text", "values"),
        [
            ("0:2:0.5", [0, 0.5, 1, 1.5, 2]),
            ("0:1:0.1", [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]),
            ("-1:1.2:1", [-1, 0, 1]),
            ("0.75", [0.75]),
            ("1:1:0.5", [1]),
        ],
    )
    def test_values(self, text: str, values: list[float]) -> None:
        assert Axis.parse(text, "--alpha").values == values

    @pytest.mark.parametrize("text", ["", "a", "1:2", "2:1:0.5", "0:1:0", "0:1:-1", "0:inf:1", "nan", "0:1:0.5:2"])
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(ConfigError, match=r"--alpha: .*expected LOW:HIGH:STEP, such as 0:2:0\.25, or one number"):
            Axis.parse(text, "--alpha")

    def test_a_slip_of_the_pen(self) -> None:
        with pytest.raises(ConfigError, match="more than 1000 values; take a larger step"):
            Axis.parse("0:2:0.0001", "--beta")

    def test_neighbours_stay_within_the_bounds(self) -> None:
        axis = Axis(0, 1, 0.5)
        assert axis.around(0.5, 1) == [0.25, 0.5, 0.75]
        assert axis.around(0, 1) == [0, 0.25]
        assert axis.around(1, 2) == [0.875, 1]
        assert Axis(0.75, 0.75, 1).around(0.75, 1) == [0.75]


def test_the_grid_comes_first_and_no_point_twice() -> None:
    found = list(tuning.search(bowl, ALPHAS, BETAS, "wer", 2))
    pairs = [(each.alpha, each.beta) for each in found]
    assert len(set(pairs)) == len(pairs)
    assert pairs[:25] == list(itertools.product(ALPHAS.values, BETAS.values))
    assert [each.round for each in found] == sorted(each.round for each in found)
    assert {each.round for each in found} == {0, 1, 2}


def test_rounds_come_nearer_to_the_best() -> None:
    grid, refined = (tuning.best(tuning.search(bowl, ALPHAS, BETAS, "wer", rounds), "wer") for rounds in (0, 3))
    assert (grid.alpha, grid.beta) == (1, 1)
    assert abs(refined.alpha - 0.8) <= 0.0625
    assert abs(refined.beta - 0.6) <= 0.125
    assert refined.wer.errors < grid.wer.errors


def test_one_number_is_not_searched() -> None:
    found = list(tuning.search(bowl, Axis.parse("0.5", ""), BETAS, "wer", 2))
    assert {each.alpha for each in found} == {0.5}


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 2)] * 3, st.integers(-2, 2)), min_size=1, max_size=12), st.booleans())
def test_ties_are_broken_as_stated(rows: list[tuple[int, int, int, int]], by_words: bool) -> None:
    points = [Point(alpha, beta, counts(words), counts(letters)) for words, letters, alpha, beta in rows]
    found = tuning.best(points, "wer" if by_words else "cer")
    rivals = points
    for measure in (
        lambda each: (each.wer if by_words else each.cer).errors,
        lambda each: (each.cer if by_words else each.wer).errors,
        lambda each: each.alpha,
        lambda each: abs(each.beta),
        lambda each: each.beta,
    ):
        least = min(map(measure, rivals))
        rivals = [each for each in rivals if measure(each) == least]
    assert found in rivals


@pytest.mark.parametrize(
    ("alpha", "beta", "names"),
    [
        *[(1, 1, []), (0, 1, []), (0.25, 1, []), (1.5, 2, [])],
        *[(2, 1, ["alpha"]), (1.75, 1, ["alpha"]), (1, 3, ["beta"]), (1, 2.5, ["beta"])],
        *[(0, -1, ["beta"]), (0, -0.25, ["beta"]), (2, -1, ["alpha", "beta"])],
    ],
)
def test_the_edge_of_the_grid(alpha: float, beta: float, names: list[str]) -> None:
    assert tuning.at_the_edge(Point(alpha, beta, counts(1), counts(1)), ALPHAS, BETAS) == names


def test_no_edge_where_there_is_one_value() -> None:
    assert tuning.at_the_edge(Point(0.5, 0, counts(1), counts(1)), Axis(0.5, 0.5, 1), BETAS) == []


@pytest.fixture
def tuned() -> Tuned:
    points = list(tuning.search(bowl, ALPHAS, BETAS, "wer", 2))
    return Tuned(points, ALPHAS, BETAS, "wer", (counts(300), counts(200)))


def test_the_table_holds_the_grid_and_what_came_after(tuned: Tuned) -> None:
    text = tuning_report.text(tuned)
    best = tuned.best
    assert f"alpha {best.alpha:g}, beta {best.beta:g}\n  WER {best.wer.errors / 10:.2f} %" in text
    assert "Greedy decoding\n  WER 30.00 %, CER 20.00 %; 300 errors in 1000 words (150 sub, 150 del, 0 ins)" in text
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert rows[0] == ["alpha \\ beta", "-1", "0", "1", "2", "3"]
    assert rows[2] == ["0", *(f"{bowl(0, beta)[0].errors / 10:.2f}" for beta in BETAS.values)]
    later = [each for each in tuned.points if each.round]
    assert [row[:3] for row in rows[-len(later) :]] == [
        [f"{each.alpha:g}", f"{each.beta:g}", f"{each.wer.errors / 10:.2f}"] for each in later
    ]


def test_the_summary_warns_of_an_edge(tuned: Tuned) -> None:
    assert "edge" not in tuning_report.summary(tuned)
    points = [each for each in tuned.points if each.alpha >= 1.5]
    narrow = Tuned(points, Axis(1.5, 2, 0.5), BETAS, "wer", tuned.greedy)
    assert "The best alpha is at the edge of the grid: a wider --alpha may find" in tuning_report.summary(narrow)


def test_all_counts_are_in_the_json(tuned: Tuned) -> None:
    found = json.loads(tuning_report.as_json(tuned))
    assert len(found["points"]) == len(tuned.points)
    for row in found["points"]:
        wer, cer = bowl(row["alpha"], row["beta"])
        assert row["wer"] == {
            "rate": wer.errors / WORDS,
            "substitutions": wer.substitutions,
            "deletions": wer.deletions,
            "insertions": 0,
            "correct": WORDS - wer.errors,
        }
        assert row["cer"]["rate"] == cer.errors / WORDS
    assert found["best"] in found["points"]
    assert found["best"]["wer"]["rate"] == min(each["wer"]["rate"] for each in found["points"])


@pytest.mark.parametrize(
    ("alphas", "betas"), [("0:2:0.5", "-1:3:1"), ("0.5", "-1:3:1"), ("0.5", "0"), ("0:2:0.05", "0:1:0.1")]
)
def test_a_picture_of_any_grid(alphas: str, betas: str) -> None:
    import io

    from matplotlib.image import imread

    axes = Axis.parse(alphas, ""), Axis.parse(betas, "")
    points = list(tuning.search(bowl, *axes, "wer", 1))
    png = tuning_report.surface(Tuned(points, *axes, "wer", (counts(1), counts(1))))
    height, width, _ = imread(io.BytesIO(png)).shape
    assert width >= 700
    assert height >= 500
