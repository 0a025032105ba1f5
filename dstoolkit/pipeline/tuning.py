"""The language model's weight (alpha) and the word bonus (beta) that make the fewest errors on a set with known texts.

All points of a grid are tried, and then, in rounds, the neighbours of the best one at half the step of the round
before, within the grid's bounds. The best point has the fewest errors of the chosen measure; of equal ones the one with
the fewest of the other measure, then with the smallest alpha, then with the beta nearest to 0, then with the smaller.
Everything is decoded from a network's saved outputs.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dstoolkit import plugins
from dstoolkit.config import Choice
from dstoolkit.data.batches import plan
from dstoolkit.errors import ConfigError, DataError, Faults
from dstoolkit.interfaces import Decoder
from dstoolkit.pipeline.outputs import Saved
from dstoolkit.scoring.wer import ErrorCounts, score

PLACES = 6  # decimals of alpha and beta
BATCH_VALUES = 1 << 24  # log-probabilities decoded at once, padding included: 64 MB
MOST = 1000  # points of a grid; more are a slip of the pen


@dataclass(frozen=True)
class Point:
    """One trial: errors in words and in characters. ``round`` is 0 on the grid."""

    alpha: float
    beta: float
    wer: ErrorCounts
    cer: ErrorCounts
    round: int = 0

    def plain(self) -> dict[str, Any]:
        """For JSON: rates as fractions."""
        counts = {"wer": self.wer, "cer": self.cer}
        rows = {name: {"rate": each.rate, **dataclasses.asdict(each)} for name, each in counts.items()}
        return {"alpha": self.alpha, "beta": self.beta, "round": self.round, **rows}


Trial = Callable[[float, float], tuple[ErrorCounts, ErrorCounts]]


@dataclass(frozen=True)
class Axis:
    """The values ``low``, ``low + step``, ... up to ``high``."""

    low: float
    high: float
    step: float

    @classmethod
    def parse(cls, text: str, where: str) -> Axis:
        """``0:2:0.25``, or one number. Raises ConfigError."""
        try:
            numbers = [float(each) for each in text.split(":")]
        except ValueError:
            numbers = []
        low, high, step = numbers if len(numbers) == 3 else (numbers * 2 + [1.0] if len(numbers) == 1 else (0, -1, 1))
        if not (all(map(math.isfinite, (low, high, step))) and low <= high and step > 0):
            raise ConfigError(where, repr(text), "expected LOW:HIGH:STEP, such as 0:2:0.25, or one number")
        if (high - low) / step >= MOST:
            raise ConfigError(where, f"{text!r} are more than {MOST} values", "", "take a larger step")
        return cls(low, high, step)

    @property
    def values(self) -> list[float]:
        count = math.floor((self.high - self.low) / self.step + 1e-9) + 1
        return [round(self.low + at * self.step, PLACES) for at in range(count)]

    def around(self, value: float, halvings: int) -> list[float]:
        """``value`` and its neighbours at the step halved so many times, within the bounds."""
        step = self.step / 2**halvings
        near = (round(value + sign * step, PLACES) for sign in (-1, 0, 1))
        return [each for each in near if self.low <= each <= self.values[-1]]


def search(trial: Trial, alphas: Axis, betas: Axis, metric: str, rounds: int) -> Iterator[Point]:
    """Each point as soon as it is tried, none twice."""
    found: dict[tuple[float, float], Point] = {}
    for number in range(rounds + 1):
        if number == 0:
            pairs = itertools.product(alphas.values, betas.values)
        else:
            middle = best(found.values(), metric)
            pairs = itertools.product(alphas.around(middle.alpha, number), betas.around(middle.beta, number))
        for pair in pairs:
            if pair not in found:
                found[pair] = Point(*pair, *trial(*pair), number)
                yield found[pair]


def best(points: Iterable[Point], metric: str) -> Point:
    """See the module's docstring for ties."""
    first, second = ("wer", "cer") if metric == "wer" else ("cer", "wer")

    def rank(each: Point) -> tuple[float, ...]:
        errors = getattr(each, first).errors, getattr(each, second).errors
        return (*errors, each.alpha, abs(each.beta), each.beta)

    return min(points, key=rank)


def at_the_edge(point: Point, alphas: Axis, betas: Axis) -> list[str]:
    """Which of the two might be better beyond the grid, being less than a step from its end. Below 0 is no alpha."""
    names = []
    for name, value, axis in (("alpha", point.alpha, alphas), ("beta", point.beta, betas)):
        low, high = axis.values[0], axis.values[-1]
        bounded = name == "alpha" and low == 0
        if low < high and (value > high - axis.step or (value < low + axis.step and not bounded)):
            names.append(name)
    return names


class Trials:
    """Decodes saved outputs and counts errors: called with an alpha and a beta, a trial. ``references`` are by id."""

    def __init__(self, outputs: Saved, choice: Choice, references: Mapping[str, str], name: object) -> None:
        """``choice`` is tunable. Raises DataError or Faults where an utterance has no reference; ``name`` is the
        references' file."""
        self.outputs, self.name = outputs, name
        self.decoder, self.options = plugins.choose("decoders", choice)
        ids = outputs.archive.utterance_ids
        Faults.check(DataError(name, f"no text of utterance {each!r}") for each in ids if each not in references)
        self.references = {each: references[each] for each in ids}
        self.batches = plan(outputs.lengths, max(1, BATCH_VALUES // outputs.vocabulary.size))

    def __call__(self, alpha: float, beta: float) -> tuple[ErrorCounts, ErrorCounts]:
        options = dataclasses.replace(self.options, alpha=alpha, beta=beta)
        return self.errors(self.decoder(options, self.outputs.vocabulary.tokenizer))

    def errors(self, decoder: Decoder) -> tuple[ErrorCounts, ErrorCounts]:
        """In words and in characters."""
        texts: dict[str, str] = {}
        for batch in self.batches:
            log_probs, lengths = self.outputs.log_probs(batch)
            found = decoder.decode(log_probs, lengths, self.outputs.frame_shift)
            for at, hypotheses in zip(batch.tolist(), found, strict=True):
                texts[self.outputs.archive.utterance_ids[at]] = hypotheses[0].text if hypotheses else ""
        report = score(self.references, texts, reference_name=self.name, hypothesis_name="decoded")
        return report.wer, report.cer


def check_tunable(choice: Choice, alphas: Axis, betas: Axis) -> None:
    """Raises ConfigError or Faults where alpha and beta would change nothing, or the decoder refuses some of them."""
    options = plugins.choose("decoders", choice)[1]
    Faults.check(
        ConfigError("decoder", f"{choice.name!r} has no option '{name}' to tune", "", "choose --set decoder=beam")
        for name in ("alpha", "beta")
        if not hasattr(options, name)
    )
    if not getattr(options, "lm", "given otherwise"):
        advice = "make one with 'dstoolkit lm train'"
        raise ConfigError("--lm", "no language model", "expected the ARPA file whose weight is sought", advice)
    for alpha, beta in ((alphas.low, betas.low), (alphas.high, betas.high)):
        plugins.choose("decoders", Choice(choice.name, {**choice.options, "alpha": alpha, "beta": beta}, "decoder"))
