"""``report.html`` as text: what it holds, that strangers' text stays text, and that its colours can be read."""

from __future__ import annotations

import base64
import hashlib
import html
import itertools
import json
import random
import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit.interfaces import Word
from dstoolkit.scoring import html as pages
from dstoolkit.scoring.align import align
from dstoolkit.scoring.report import percent
from dstoolkit.scoring.wer import Report, score

WORDS = ["the", "a", "cat", "hat", "sat", "on", "mat", "yes", "no"]


def report(utterances: int = 30, speakers: int = 3) -> Report:
    rng = random.Random(utterances)
    refs = {f"u{at:02}": " ".join(rng.choices(WORDS, k=rng.randint(1, 9))) for at in range(utterances)}
    hyps = {key: " ".join(word for word in text.split() if rng.random() < 0.8) for key, text in refs.items()}
    hyps["u03"] += " oh oh"
    return score(refs, hyps, {key: f"s{at % speakers}" for at, key in enumerate(refs)} if speakers else None)


class Scripts(HTMLParser):
    """The elements of a page, and the text within each of some kinds."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style", "title", "h1", "dd"):
            self.open.append(tag)
            self.text.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open:
            self.text[self.open[-1]][-1] += data


def data_of(page: str) -> dict[str, Any]:
    return json.loads(Scripts(page).text["script"][0])


def test_the_summary_needs_no_script() -> None:
    found = report()
    page = pages.page(found, note="A note.", title="A title", sources=[("reference", "data/<test>/text")])
    body = html.unescape(re.sub(r"<[^>]+>", " ", page.partition("<script")[0]))
    shown = " ".join(body.split())
    for counts in (found.wer, found.cer):
        cells = [counts.errors, counts.reference_length, counts.substitutions, counts.deletions, counts.insertions]
        assert " ".join(f"{each:,}" for each in cells) in shown
        assert percent(counts.rate) in shown
    interval, by_speaker = found.interval(), found.interval(by_speaker=True)
    assert f"{percent(interval.low)} to {percent(interval.high)}" in shown
    assert f"over 3 speakers it is {percent(by_speaker.low)} to {percent(by_speaker.high)}" in shown
    assert "With 3 speakers these figures say little" in shown
    assert "Alignment: levenshtein" in shown
    assert "A note." in shown
    assert "reference data/<test>/text" in shown
    assert f"SER utterances with any error {percent(found.ser)} {found.totals.wrong} 30" in shown


def test_the_mode_and_the_tokens() -> None:
    tokens = {"u": ["a", "b"]}, {"u": ["a", "c"]}
    sclite = score({"u": "ab"}, {"u": "ac"}, mode="sclite", tokens=tokens)
    page = pages.page(sclite)
    assert "Alignment: sclite" in page
    assert "TER <small>tokens" in page
    assert "<td>50.00</td>" in page
    assert "TER" not in pages.page(report()).partition("<script")[0]


def test_without_speakers_nothing_is_said_of_them() -> None:
    page = pages.page(report(speakers=0))
    assert "these figures say little" not in page
    assert data_of(page)["speakers"] == []
    assert set(data_of(page)["speaker"]) == {-1}


def test_the_data_are_the_reports() -> None:
    found = report()
    data = data_of(pages.page(found))
    assert data["ids"] == [each.id for each in found.utterances]
    assert [data["speakers"][at][0] for at in data["speaker"]] == [each.speaker for each in found.utterances]
    assert data["references"] == [" ".join(each.reference) for each in found.utterances]
    assert data["hypotheses"] == [" ".join(each.hypothesis) for each in found.utterances]
    assert [len(each.replace("I", "")) for each in data["steps"]] == [len(each.reference) for each in found.utterances]
    assert data["characterErrors"] == [each.cer.errors for each in found.utterances]
    for name, errors, words, utterances, wrong, low, high in data["speakers"]:
        totals = found.speakers[name]
        assert (errors, words) == (totals.wer.errors, totals.wer.reference_length)
        assert (utterances, wrong) == (totals.utterances, totals.wrong)
        assert low <= errors / words <= high


def test_the_table_of_characters_says_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"short": "a b c", "long<1>": "a b c d e f", "long2": "a b c d e f"}
    found = score(texts, {"short": "a x c", "long<1>": "a b x d e", "long2": "x x x"})
    assert "leaves out" not in pages.page(found)
    monkeypatch.setattr(pages, "PAIRS", 5)  # of "short" one error in five characters
    page = pages.page(found)
    assert "leaves out what is long with many errors: long&lt;1&gt; and 1 more." in page
    assert data_of(page)["characters"] == [["S", "b", "x", [0]]]
    assert {at for error in data_of(page)["words"] for at in error[3]} == {0, 1, 2}


def test_errors_know_the_utterances_that_hold_them() -> None:
    found = report()
    data = data_of(pages.page(found))
    for unit, join in (("words", list), ("characters", lambda words: list(" ".join(words)))):
        expected: Counter[Any] = Counter()
        for at, each in enumerate(found.utterances):
            for step in align(join(each.reference), join(each.hypothesis)):
                if step.kind != "correct":
                    expected[step.kind[0].upper(), step.reference, step.hypothesis, at] += 1
        held = Counter((*error[:3], at) for error in data[unit] for at in error[3])
        assert held == expected
        counts = [len(error[3]) for error in data[unit]]
        assert counts == sorted(counts, reverse=True)


def test_a_speaker_with_few_utterances_has_no_interval() -> None:
    few = {f"u{at}": "yes no" for at in range(pages.FEW_UTTERANCES - 1)}
    ((_, *_, low, high),) = data_of(pages.page(score(few, few, dict.fromkeys(few, "s"))))["speakers"]
    assert (low, high) == (None, None)


@pytest.mark.parametrize(
    "nasty", ["</script><b>x</b>", "<img src=x onerror=alert(1)>", "<!--<script>", "a&amp;b\u2028c"]
)
def test_strangers_text_is_no_markup(nasty: str) -> None:
    word = nasty.replace(" ", "\u00a0").split()[0]
    texts = {nasty.replace(" ", "_"): word}
    plain, page = (
        pages.page(score(each, each), title=title, sources=[("reference", title)], note=title)
        for each, title in (({"u": "w"}, "t"), (texts, nasty))
    )
    parsed = Scripts(page)
    assert [tag for tag, _ in parsed.tags] == [tag for tag, _ in Scripts(plain).tags]
    assert data_of(page)["references"] == [word]
    assert data_of(page)["ids"] == list(texts)
    assert parsed.text["h1"] == [nasty]
    assert parsed.text["dd"] == [nasty]


@settings(deadline=None, max_examples=50)
@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_in_a_script_stays_there(value: Any) -> None:
    made = pages.as_script(value)
    assert json.loads(made) == value
    assert not set("<>&\u2028\u2029") & set(made)


def test_a_path_need_not_be_utf8() -> None:
    page = pages.page(report(), sources=[("reference", b"data/\xff".decode("utf-8", "surrogateescape"))])
    assert "data/?" in page.encode().decode()


def test_the_policy_allows_this_style_and_this_script_alone() -> None:
    parsed = Scripts(pages.page(report()))
    (policy,) = [attrs["content"] for tag, attrs in parsed.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in (policy or "").split("; "))
    assert rules.pop("default-src") == "'none'"
    for name, text in (("style-src", parsed.text["style"][0]), ("script-src", parsed.text["script"][1])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules.pop(name) == f"'sha256-{digest}'"
    assert rules == {"img-src": "data:", "media-src": "blob:", "base-uri": "'none'", "form-action": "'none'"}
    assert not [tag for tag, attrs in parsed.tags if "style" in attrs or any(name.startswith("on") for name in attrs)]


def test_clips_are_held_whole() -> None:
    clip = pages.Clip(b"OggS\x00\xff", "audio/ogg", 8000, 1.25, (Word("yes", 0.5, 0.75, 0.9),))
    found = report()
    (clips,) = [data_of(pages.page(found, audio={"u07": clip, "of no report": clip}))["clips"]]
    assert list(clips) == [str([each.id for each in found.utterances].index("u07"))]
    (held,) = clips.values()
    assert base64.b64decode(held.pop("data")) == clip.data
    assert held == {"media": "audio/ogg", "rate": 8000, "duration": 1.25, "words": [["yes", 0.5, 0.75, 0.9]]}


def colours() -> dict[str, tuple[str, str]]:
    """The style's colours by name, for light and for dark."""
    found = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", pages._part("page.css"))
    return {name: (light, dark) for name, light, dark in found}


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_contrast_of_black_and_white() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # the well-known near miss


def test_text_has_contrast_in_light_and_dark() -> None:
    found = colours()
    pairs = [*itertools.product(("ink", "soft"), ("paper", "raised")), ("ink", "sound-0"), ("soft", "sound-0")]
    for kind in "SDI":
        pairs += [
            (kind, "paper"),
            (kind, "raised"),
            (kind, f"{kind}-wash"),
            ("ink", f"{kind}-wash"),
            ("soft", f"{kind}-wash"),
        ]
    pairs += [("on-kind", "S"), ("on-kind", "I"), ("paper", "ink")]
    for text, ground in pairs:
        for theme in (0, 1):
            assert contrast(found[text][theme], found[ground][theme]) >= 4.5, (text, ground, theme)


def test_lines_of_controls_have_contrast() -> None:
    """WCAG asks 3 of what marks a control."""
    for ground, theme in itertools.product(("paper", "raised"), (0, 1)):
        assert contrast(colours()["edge"][theme], colours()[ground][theme]) >= 3
