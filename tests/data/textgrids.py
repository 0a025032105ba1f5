"""A parser of TextGrid's long form, written from Praat's manual and not from our writer: it reads, as Praat does, only
the numbers, the strings in quotation marks and the flag, in order, whatever stands between them."""

from __future__ import annotations

import re

TOKEN = re.compile(r'"(?:[^"]|"")*"|<exists>|(?<![\w\[.])-?\d+(?:\.\d+)?(?![\w\].])')


def parse(text: str) -> tuple[float, dict[str, list[tuple[float, float, str]]]]:
    """The end in seconds, and the tiers: name -> (begin, end, text) of each interval."""
    values = iter(TOKEN.findall(re.sub(r"\[\d*\]", "", text)))

    def number() -> float:
        return float(next(values))

    def string() -> str:
        value = next(values)
        assert value[0] == value[-1] == '"', value
        return value[1:-1].replace('""', '"')

    assert string() == "ooTextFile"
    assert string() == "TextGrid"
    assert number() == 0
    end = number()
    assert next(values) == "<exists>"
    tiers = {}
    for _ in range(int(number())):
        assert string() == "IntervalTier"
        name = string()
        assert (number(), number()) == (0, end)
        tiers[name] = [(number(), number(), string()) for _ in range(int(number()))]
    assert next(values, None) is None, "nothing comes after the last tier"
    return end, tiers


def assert_sound(text: str) -> dict[str, list[tuple[float, float, str]]]:
    """The tiers, each of which begins at 0, ends at the end and has no hole, overlap or empty interval."""
    end, tiers = parse(text)
    for found in tiers.values():
        assert [begin for begin, _, _ in found] == [0, *(until for _, until, _ in found[:-1])]
        assert found[-1][1] == end
        assert all(begin < until for begin, until, _ in found)
    return tiers
