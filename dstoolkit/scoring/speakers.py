"""The table by speaker, with the columns and the closing rows of sclite's ``sys`` report, as Markdown.

Percentages are of reference words, ``S.Err`` of utterances. ``Mean``, ``S.D.`` (of a sample) and ``Median`` are over
speakers, each counting the same; a speaker without reference words shows counts, starred, and is left out of those.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence

from dstoolkit.scoring.wer import Report, Totals

HEADER = ["speaker", "# Snt", "# Wrd", "Corr", "Sub", "Del", "Ins", "Err", "S.Err", "CER"]
NO_WORDS = "\\* No reference words: counts, not percentages, and left out of the rows over speakers."


def rows(report: Report) -> Iterator[list[str]]:
    """The cells below ``HEADER``: the speakers', and the sums', means', deviations' and medians'."""
    everyone = [*report.speakers.values()]
    for name, totals in report.speakers.items():
        yield [name, *_cells(totals)]
    yield ["Sum/Avg", *_cells(report.totals)]
    for name, summary in (("Mean", statistics.fmean), ("S.D.", _deviation), ("Median", statistics.median)):
        yield [name, *_over_speakers(everyone, summary)]


def starred(report: Report) -> bool:
    return any(not each.wer.reference_length for each in report.speakers.values())


def _cells(totals: Totals) -> list[str]:
    counts = [str(totals.utterances), str(totals.wer.reference_length)]
    if not totals.wer.reference_length:
        words = [f"{each}*" for each in (*_words(totals), totals.cer.errors)]
    else:
        words = [shown(each) for each in _percentages(totals)]
    return [*counts, *words[:5], shown(100 * totals.ser), *words[5:]]


def _over_speakers(speakers: Sequence[Totals], summary: Callable[[Sequence[float]], float]) -> list[str]:
    with_words = [each for each in speakers if each.wer.reference_length]
    columns = [
        [each.utterances for each in speakers],
        [each.wer.reference_length for each in speakers],
        *zip(*(_percentages(each)[:5] for each in with_words), strict=True),
        [100 * each.ser for each in speakers],
        [_percentages(each)[5] for each in with_words],
    ]
    return [shown(summary(column)) for column in columns]


def shown(value: float) -> str:
    """With one decimal; a half is rounded up, as sclite does (of the rate times 100, in this order)."""
    return f"{math.floor(10 * value + 0.5) / 10:.1f}"


def _words(totals: Totals) -> tuple[int, ...]:
    counts = totals.wer
    return counts.correct, counts.substitutions, counts.deletions, counts.insertions, counts.errors


def _percentages(totals: Totals) -> list[float]:
    words = [each / totals.wer.reference_length for each in _words(totals)]
    return [100 * each for each in (*words, totals.cer.rate)]


def _deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0
