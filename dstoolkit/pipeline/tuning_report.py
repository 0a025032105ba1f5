"""What a search for alpha and beta leaves: a table to read, every figure as JSON, and a picture of the surface."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dstoolkit.pipeline.tuning import Axis, Point, at_the_edge, best
from dstoolkit.scoring.wer import ErrorCounts

MOST_CELLS = 150  # in a picture whose cells have their figures in them
SHOWN = 0.85  # share of the points whose error rates the colours tell apart; those above have the last one
DARK = 0.6  # share of the colour map above which text is dark: its low end is dark blue


@dataclass(frozen=True)
class Tuned:
    """A finished search. ``greedy`` are the errors of best-path decoding in words and characters, to compare with."""

    points: Sequence[Point]
    alphas: Axis
    betas: Axis
    metric: str
    greedy: tuple[ErrorCounts, ErrorCounts]

    @property
    def best(self) -> Point:
        return best(self.points, self.metric)


def summary(tuned: Tuned) -> str:
    """A few lines: the best point beside greedy decoding, and a warning where it lies at the grid's edge."""
    found, (wer, cer) = tuned.best, tuned.greedy
    lines = [
        f"Best of {len(tuned.points)} points by {tuned.metric.upper()}: alpha {found.alpha:g}, beta {found.beta:g}",
        f"  WER {percent(found.wer)} %, CER {percent(found.cer)} %; {describe(found.wer)}",
        "Greedy decoding",
        f"  WER {percent(wer)} %, CER {percent(cer)} %; {describe(wer)}",
    ]
    for name in at_the_edge(found, tuned.alphas, tuned.betas):
        lines.append(f"The best {name} is at the edge of the grid: a wider --{name} may find a better one.")
    return "\n".join(lines) + "\n"


def describe(counts: ErrorCounts) -> str:
    parts = f"{counts.substitutions} sub, {counts.deletions} del, {counts.insertions} ins"
    return f"{counts.errors} errors in {counts.reference_length} words ({parts})"


def percent(counts: ErrorCounts) -> str:
    return f"{100 * counts.rate:.2f}"


def text(tuned: Tuned) -> str:
    """The summary, the grid as a table of error rates, and the points tried after it."""
    rates = {(each.alpha, each.beta): f"{percent(getattr(each, tuned.metric))}" for each in tuned.points}
    rows = [["alpha \\ beta", *(f"{beta:g}" for beta in tuned.betas.values)]]
    rows += [[f"{alpha:g}", *(rates[alpha, beta] for beta in tuned.betas.values)] for alpha in tuned.alphas.values]
    parts = [summary(tuned), f"{tuned.metric.upper()} % over the grid:\n\n{table(rows)}"]
    later = [each for each in tuned.points if each.round]
    if later:
        rows = [["alpha", "beta", "WER %", "CER %", "sub", "del", "ins"], *map(_row, later)]
        parts.append(f"Around the best point, at half the step, and at half of that:\n\n{table(rows)}")
    return "\n".join(parts)


def _row(each: Point) -> list[str]:
    counts = each.wer.substitutions, each.wer.deletions, each.wer.insertions
    return [f"{each.alpha:g}", f"{each.beta:g}", percent(each.wer), percent(each.cer), *map(str, counts)]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the first the heading, as a Markdown table with columns flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(str.rjust, row, widths)) + " |" for row in rows]
    rule = "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def as_json(tuned: Tuned) -> str:
    wer, cer = ({"rate": each.rate, **vars(each)} for each in tuned.greedy)
    found: dict[str, Any] = {"metric": tuned.metric, "best": tuned.best.plain(), "greedy": {"wer": wer, "cer": cer}}
    return json.dumps(found | {"points": [each.plain() for each in tuned.points]}, indent=1) + "\n"


def surface(tuned: Tuned) -> bytes:
    """A PNG: the grid as cells coloured by their error rate, later points as dots, the best one marked."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    alphas, betas = tuned.alphas.values, tuned.betas.values
    rates = {(each.alpha, each.beta): 100 * getattr(each, tuned.metric).rate for each in tuned.points}
    low, high = min(rates.values()), _ceiling(rates.values())
    figure = Figure(
        figsize=(max(6.4, 1.8 + 0.62 * len(betas)), max(4.8, 1.6 + 0.42 * len(alphas))), layout="constrained"
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    cells = [[rates[alpha, beta] for beta in betas] for alpha in alphas]
    colours = {"vmin": low, "vmax": high, "cmap": "viridis"}
    drawn = axes.pcolormesh(_edges(tuned.betas), _edges(tuned.alphas), cells, **colours)
    if len(alphas) * len(betas) <= MOST_CELLS:
        for (alpha, beta), rate in rates.items():
            if alpha in alphas and beta in betas:
                light = rate - low < DARK * (high - low)
                colour = "white" if light else "black"
                axes.text(beta, alpha, f"{rate:.1f}", ha="center", va="center", fontsize=8, color=colour)
    _mark(axes, tuned, colours)
    axes.set_xticks(betas, [f"{each:g}" for each in betas])
    axes.set_yticks(alphas, [f"{each:g}" for each in alphas])
    axes.set_xlabel("beta: bonus for a word, in nats")
    axes.set_ylabel("alpha: weight of the language model")
    figure.colorbar(
        drawn, label=f"{tuned.metric.upper()} in %", extend="max" if high < max(rates.values()) else "neither"
    )
    out = io.BytesIO()
    figure.savefig(out, dpi=120, format="png", metadata={"Software": None})
    return out.getvalue()


def _ceiling(rates: Iterable[float]) -> float:
    """Where the colours end: a few hopeless corners would leave one colour for all the rest."""
    ordered = sorted(rates)
    return max(ordered[int(SHOWN * (len(ordered) - 1))], ordered[0] + 0.01)


def _edges(axis: Axis) -> list[float]:
    values = axis.values
    return [values[0] - axis.step / 2, *(each + axis.step / 2 for each in values)]


def _mark(axes: Any, tuned: Tuned, colours: Any) -> None:
    """The points after the grid, and a ring around the best with its figures in the title."""
    later = [each for each in tuned.points if each.round]
    values = [100 * getattr(each, tuned.metric).rate for each in later]
    places = [each.beta for each in later], [each.alpha for each in later]
    axes.scatter(*places, c=values, s=36, edgecolors="white", linewidths=0.8, zorder=2, **colours)
    found = tuned.best
    for width, colour in ((5.0, "white"), (2.2, "#d62728")):
        axes.scatter(
            [found.beta], [found.alpha], s=420, facecolors="none", edgecolors=colour, linewidths=width, zorder=3
        )
    rate = percent(getattr(found, tuned.metric))
    axes.set_title(f"best: {tuned.metric.upper()} {rate} % at alpha {found.alpha:g}, beta {found.beta:g}")
