"""``report.html`` in a real Chromium, from a file: read, sorted, filtered, heard; light, dark, wide, narrow."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dstoolkit.interfaces import Word
from dstoolkit.pipeline.report_audio import compress
from dstoolkit.scoring import html
from dstoolkit.scoring.align import align
from dstoolkit.scoring.html import Clip
from dstoolkit.scoring.report import percent
from dstoolkit.scoring.wer import Report, ScoredUtterance, score
from tests import browser as browsers

WORDS = ["the", "a", "cat", "hat", "sat", "on", "mat", "yes", "no", "été", "да"]
NASTY = ["</script><b>bold</b>", "<img/src=x/onerror=document.title='pwned'>", "&lt;i&gt;", "{{data}}", "$&"]
RATE, TONE = 8000, 1000  # Hz
SECONDS, ONSET = 1.5, 0.75  # of the sound, and of the tone in it
ROWS = "return [...document.querySelectorAll('.figures')].map(row => +row.dataset.at)"
# By how much the table of totals is wider than its place
CUT = "const wide = document.querySelector('.wide'); return wide.scrollWidth - wide.clientWidth"
# What `each` makes of the rows of all pages
THROUGH = """const found = [], next = () => document.querySelector('.pages [aria-label="Next page"]:not(:disabled)');
for (;;) {
  for (const row of document.querySelectorAll('.figures')) found.push((%s)(row));
  if (!next()) return found;
  next().click();
}"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with browsers.chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def report() -> Report:
    """120 utterances of 7 speakers, some with markup for words and ids, one with a tie in its rounded rate."""
    rng = random.Random(4)
    refs = {f"utt-{at:03}": " ".join(rng.choices(WORDS, k=rng.randint(1, 12))) for at in range(115)}
    refs |= {f"{nasty}-{at}": f"{nasty} yes" for at, nasty in enumerate(NASTY)}
    refs["utt-tie"], refs["utt-nil"] = " ".join(WORDS * 3)[: 32 * 10], ""
    hyps = {key: " ".join(_misheard(text.split(), rng)) for key, text in refs.items()}
    thirty_two = (WORDS * 3)[:32]
    refs["utt-tie"], hyps["utt-tie"] = " ".join(thirty_two), " ".join(thirty_two[1:])  # 1 of 32: 3.125 %
    hyps["utt-nil"] = "oh"
    return score(refs, hyps, {key: f"s{at % 7}" for at, key in enumerate(refs)})


def _misheard(words: list[str], rng: random.Random) -> Iterator[str]:
    for word in words:
        chance = rng.random()
        if chance > 0.1:
            yield word if chance > 0.25 else rng.choice(WORDS)
        if chance > 0.93:
            yield rng.choice([*WORDS, *NASTY])


@pytest.fixture
def page(chromium: Any, report: Report, tmp_path: Path) -> Any:
    """The report opened, with sound for two utterances."""
    return show(chromium, html.page(report, title="<b>t</b>", audio=clips(report)), tmp_path)


def clips(report: Report) -> dict[str, Clip]:
    """Silence and then a tone, for two of those with the most errors."""
    times = np.arange(int(SECONDS * RATE)) / RATE
    tone = np.where(times < ONSET, 0, 0.5 * np.sin(2 * np.pi * TONE * times))
    data = compress(tone.astype(np.float32), RATE)
    chosen = [ranked(report)[0], next(each for each in ranked(report)[1:] if len(each.hypothesis) > 1)]
    return {each.id: Clip(data, "audio/ogg", RATE, SECONDS, words_of(each)) for each in chosen}


def words_of(utterance: ScoredUtterance) -> tuple[Word, ...]:
    length = SECONDS / len(utterance.hypothesis)
    return tuple(Word(word, at * length, (at + 1) * length, 0.5) for at, word in enumerate(utterance.hypothesis))


def show(chromium: Any, page: str, folder: Path) -> Any:
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    browsers.console(chromium), browsers.requests(chromium)
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    chromium.get(path.as_uri())
    return chromium


def ranked(report: Report) -> list[ScoredUtterance]:
    return sorted(report.utterances, key=lambda each: (-each.wer.errors, -each.wer.rate, each.id))


def all_rows(page: Any) -> list[int]:
    """The utterances shown, on all pages, by their places in the report."""
    return page.execute_script(THROUGH % "row => +row.dataset.at")


def sort_by(page: Any, label: str) -> None:
    page.find_element("xpath", f"//thead//button[text()='{label}']").click()


def choose(page: Any, select: str, value: str) -> None:
    page.find_element("css selector", f"#{select} option[value='{value}']").click()


def wait_for(page: Any, script: str) -> None:
    """Until the script returns true."""
    deadline = time.monotonic() + 20
    while not page.execute_script(script):
        assert time.monotonic() < deadline, script
        time.sleep(0.02)


def test_it_opens_without_a_complaint_and_asks_for_nothing(page: Any, report: Report) -> None:
    assert browsers.console(page) == []
    assert browsers.requests(page) == []
    assert page.find_element("id", "wer").text == percent(report.wer.rate)
    rows = [row.text.split() for row in page.find_elements("css selector", ".totals tbody tr")]
    interval = report.interval()
    counts = [report.wer.errors, report.wer.reference_length, report.wer.substitutions]
    counts += [report.wer.deletions, report.wer.insertions]
    assert rows[0][2:] == [
        percent(report.wer.rate),
        percent(interval.low),
        "to",
        percent(interval.high),
        *map(str, counts),
    ]
    assert rows[1][2] == percent(report.cer.rate)
    assert rows[2][-3:] == [percent(report.ser), str(report.totals.wrong), str(len(report.utterances))]


def test_nothing_gets_out_even_where_it_is_asked(page: Any) -> None:
    """The policy stops what a hole in the escaping would let in: scripts, and images from elsewhere."""
    page.execute_script("""
        const script = document.createElement("script");
        script.textContent = "document.title = 'pwned'";
        document.body.append(script);
        const image = document.createElement("img");
        image.src = "http://127.0.0.1:9/x.png";
        document.body.append(image);
    """)
    wait_for(page, "return document.querySelector('img').complete")
    assert page.title.startswith("WER ")
    said = "\n".join(browsers.console(page))
    assert "Content Security Policy" in said
    assert "127.0.0.1:9" in said
    assert "ERR_CONNECTION" not in said


COLUMNS: list[tuple[str, Callable[[ScoredUtterance], Any]]] = [
    ("Utterance", lambda each: each.id),
    ("Speaker", lambda each: each.speaker),
    ("WER", lambda each: each.wer.rate),
    ("Errors", lambda each: each.wer.errors),
    ("Sub", lambda each: each.wer.substitutions),
    ("Del", lambda each: each.wer.deletions),
    ("Ins", lambda each: each.wer.insertions),
    ("CER", lambda each: each.cer.rate),
    ("Words", lambda each: each.wer.reference_length),
]


def test_every_column_sorts_both_ways(page: Any, report: Report) -> None:
    places = {each.id: at for at, each in enumerate(report.utterances)}
    assert all_rows(page) == [places[each.id] for each in ranked(report)]
    sort_by(page, "Words")
    for label, key in COLUMNS:
        directions: list[str] = []
        for _ in range(2):
            sort_by(page, label)
            header = page.find_element("css selector", "[aria-sort]")
            assert header.text.startswith(label)
            directions.append(header.get_attribute("aria-sort"))
            expected = sorted(ranked(report), key=key, reverse=directions[-1] == "descending")
            assert all_rows(page) == [places[each.id] for each in expected], (label, directions[-1])
        assert sorted(directions) == ["ascending", "descending"]


def test_cells_hold_the_reports_figures(page: Any, report: Report) -> None:
    """Rates are rounded as ``wer.txt`` rounds them, ties and infinities too."""
    cells = page.execute_script(THROUGH % "row => [...row.cells].map(cell => cell.textContent)")
    found = {each[1]: each[2:] for each in cells}
    assert found == {
        each.id: [
            each.speaker,
            percent(each.wer.rate),
            *map(str, (each.wer.errors, each.wer.substitutions, each.wer.deletions, each.wer.insertions)),
            percent(each.cer.rate),
            str(each.wer.reference_length),
        ]
        for each in report.utterances
    }
    assert found["utt-tie"][1] == "3.12"  # of 3.125: to even
    assert found["utt-nil"][1] == "inf"


def test_alignments_are_shown_step_by_step(page: Any, report: Report) -> None:
    script = """const texts = step => [...step.children].map(each => each.textContent);
        return [...document.querySelectorAll('.figures')].map(row =>
            [+row.dataset.at, [...row.nextElementSibling.querySelectorAll('.step')].map(texts)]);"""
    for at, steps in page.execute_script(script):
        letters = {"correct": "", "substitution": "S", "deletion": "D", "insertion": "I"}
        expected = [[s.reference or "–", s.hypothesis or "–", letters[s.kind]] for s in report.utterances[at].alignment]
        assert steps == expected


def test_kinds_of_error_differ_in_more_than_colour(page: Any) -> None:
    """In decoration: which is told apart on a grey printer."""
    script = """return ['S .hyp', 'D .ref', 'I .hyp', 'C .hyp'].map(each => {
        const style = getComputedStyle(document.querySelector('.step.' + each));
        return style.textDecorationLine + ' ' + style.textDecorationStyle; })"""
    assert len(set(page.execute_script(script))) == 4


@pytest.mark.parametrize(
    ("field", "sought", "fits"),
    [
        ("any", "Cat", lambda u: any("cat" in each for each in (u.id, " ".join(u.reference), " ".join(u.hypothesis)))),
        ("reference", "the cat", lambda u: "the cat" in " ".join(u.reference)),
        ("hypothesis", "été", lambda u: "été" in u.hypothesis),
        ("id", "-01", lambda u: "-01" in u.id),
        ("any", "<b>", lambda u: any("<b>" in each for each in (u.id, *u.reference, *u.hypothesis))),
        ("any", "no such words", lambda u: False),
    ],
)
def test_texts_filter(page: Any, report: Report, field: str, sought: str, fits: Callable[[Any], bool]) -> None:
    choose(page, "field", field)
    page.find_element("id", "text").send_keys(sought)
    expected = {at for at, each in enumerate(report.utterances) if fits(each)}
    assert expected or "such" in sought
    assert set(all_rows(page)) == expected
    shown = page.find_element("id", "shown").text
    assert f"{len(expected)} of {len(report.utterances)} utterances" in shown
    page.find_element("id", "clear").click()
    wait_for(page, "return document.getElementById('clear').hidden")
    assert len(all_rows(page)) == len(report.utterances)


def test_speakers_and_kinds_of_error_filter(page: Any, report: Report) -> None:
    kinds: dict[str, Callable[[ScoredUtterance], bool]] = {
        "wrong": lambda u: u.wer.errors > 0,
        "right": lambda u: u.wer.errors == 0,
        "S": lambda u: u.wer.substitutions > 0,
        "D": lambda u: u.wer.deletions > 0,
        "I": lambda u: u.wer.insertions > 0,
        "empty": lambda u: bool(u.reference) and not u.hypothesis,
    }
    page.find_element("xpath", "//ol[@id='speaker-rows']//button[.//text()='s3']").click()
    assert set(all_rows(page)) == {at for at, each in enumerate(report.utterances) if each.speaker == "s3"}
    for kind, fits in kinds.items():
        choose(page, "kind", kind)
        expected = {at for at, each in enumerate(report.utterances) if each.speaker == "s3" and fits(each)}
        assert set(all_rows(page)) == expected, kind


def test_speakers_are_ordered_and_have_their_figures(page: Any, report: Report) -> None:
    rows = [each.text.split("\n") for each in page.find_elements("css selector", "#speaker-rows button")]
    expected = sorted(report.speakers.items(), key=lambda item: (-item[1].wer.rate, item[0]))
    assert rows == [
        [name, f"{percent(totals.wer.rate)} %", f"{totals.wer.errors} of {totals.wer.reference_length} words"]
        for name, totals in expected
    ]
    widths = page.execute_script("return [...document.querySelectorAll('#speaker-rows .fill')].map(e => e.offsetWidth)")
    ratio = expected[-1][1].wer.rate / expected[0][1].wer.rate
    assert widths[-1] / widths[0] == pytest.approx(ratio, abs=0.02)
    choose(page, "speaker-sort", "name")
    names = [each.text for each in page.find_elements("css selector", "#speaker-rows .name")]
    assert names == sorted(report.speakers)


@pytest.mark.parametrize("unit", ["words", "characters"])
def test_an_error_leads_to_the_utterances_that_hold_it(page: Any, report: Report, unit: str) -> None:
    section = page.find_element("css selector", f"[data-unit={unit}]")
    section.find_element("css selector", "[data-kind=S]").click()
    section.find_element("css selector", "input").send_keys("cat")
    if unit == "characters":
        section.find_element("css selector", "input").clear()
        section.find_element("css selector", "input").send_keys("a")
    row = section.find_element("css selector", ".confusions button")
    reference, _, hypothesis = [each.text for each in row.find_elements("css selector", ".pair > *")]
    times = int(row.find_element("css selector", ".count").text)
    holding = {}
    for at, each in enumerate(report.utterances):
        sides = [each.reference, each.hypothesis]
        steps = align(*(list(" ".join(side)) for side in sides)) if unit == "characters" else each.alignment
        held = sum(step[1:] == (reference, hypothesis) for step in steps)
        if held:
            holding[at] = held
    assert sum(holding.values()) == times > 0
    row.click()
    assert set(all_rows(page)) == set(holding)
    if unit == "words":
        picked = [each.text.split("\n")[:2] for each in page.find_elements("css selector", ".step.picked")]
        assert picked
        assert all(each == [reference, hypothesis] for each in picked)
    page.find_element("id", "picked").click()
    assert len(all_rows(page)) == len(report.utterances)


def test_markup_in_words_and_ids_is_text(page: Any) -> None:
    page.find_element("css selector", "#text").send_keys("<")
    ids = [each.text for each in page.find_elements("css selector", ".figures .id")]
    assert {"</script><b>bold</b>-0", "<img/src=x/onerror=document.title='pwned'>-1"} <= set(ids)
    assert page.find_element("tag name", "h1").text == "<b>t</b>"
    assert page.find_elements("css selector", "b:not(#wer), img") == []
    assert page.title.startswith("WER ")
    assert browsers.console(page) == []


def test_keys_do_what_the_mouse_does(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    page.find_element("xpath", "//thead//button[text()='WER']").send_keys(Keys.ENTER)
    assert page.switch_to.active_element.text.startswith("WER")
    assert page.find_element("css selector", "[aria-sort]").text.startswith("WER")
    page.switch_to.active_element.send_keys(Keys.SPACE)
    assert page.find_element("css selector", "[aria-sort]").get_attribute("aria-sort") == "ascending"
    outline = page.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.switch_to.active_element.send_keys(Keys.TAB)
    assert page.switch_to.active_element.text == "Errors"


def test_sound_plays_from_a_word_with_its_spectrogram(page: Any, report: Report) -> None:
    with_sound = [each.id for each in report.utterances if each.id in clips(report)]
    page.find_element("id", "sound").click()
    assert sorted(report.utterances[at].id for at in all_rows(page)) == sorted(with_sound)
    page.find_element("css selector", ".figures .sound button").click()
    wait_for(page, "return document.querySelector('audio').currentTime > 0.1")
    wait_for(page, "return document.querySelector('canvas').levels !== undefined")
    words = page.find_elements("css selector", ".words button")
    shown = page.execute_script(ROWS)[0]
    assert [each.text for each in words] == list(report.utterances[shown].hypothesis)
    page.execute_script("const audio = document.querySelector('audio'); audio.pause(); audio.currentTime = 0")
    start = words_of(report.utterances[shown])[-1].start
    words[-1].click()
    assert page.execute_script("return document.querySelector('audio').currentTime") > start - 0.001
    wait_for(page, "return document.querySelector('audio').paused")  # at the end
    page.execute_script(f"document.querySelector('audio').currentTime = {start + 0.01}")
    wait_for(page, "return document.querySelector('.words .now') !== null")
    assert page.find_element("css selector", ".words .now") == words[-1]
    assert browsers.console(page) == []
    assert browsers.requests(page) == []


def test_any_time_is_found_in_the_sound(page: Any) -> None:
    """Where browsers guess at the times of a compressed file, silence and tone are not where they should be."""
    page.find_element("css selector", ".figures .sound button").click()
    wait_for(page, "return document.querySelector('audio').currentTime > 0")
    page.execute_script("""
        const audio = document.querySelector('audio'), context = new AudioContext();
        audio.pause();
        window.meter = context.createAnalyser();
        context.createMediaElementSource(audio).connect(window.meter);
        window.from = async (time) => {
            audio.currentTime = time;
            await audio.play();
            await new Promise(done => setTimeout(done, 250));
            const samples = new Float32Array(meter.fftSize);
            meter.getFloatTimeDomainData(samples);
            audio.pause();
            return [audio.currentTime, Math.max(...samples.map(Math.abs))];
        };""")
    for begin, loud in ((0.1, False), (ONSET + 0.1, True), (0.05, False), (ONSET + 0.2, True)):
        for _ in range(10):  # a busy machine may measure late
            now, level = page.execute_async_script(f"from({begin}).then(arguments[0])")
            if (ONSET + 0.1 < now < SECONDS - 0.1) if loud else now < ONSET - 0.1:
                break
        assert (level > 0.1) == loud, (begin, now, level)
    duration = page.execute_script("return document.querySelector('audio').duration")
    assert duration == pytest.approx(SECONDS, abs=0.03)  # Chromium leaves out the last block of Vorbis


def test_the_spectrogram_shows_a_tone_where_it_is(page: Any) -> None:
    page.find_element("css selector", ".figures .sound button").click()
    wait_for(page, "return document.querySelector('canvas').levels !== undefined")
    height, columns, levels = page.execute_script("""
        const { levels, columns } = document.querySelector('canvas');
        return [levels.length / columns, columns, [...levels]];""")
    levels = np.array(levels).reshape(columns, height)
    begins = int((levels.max(axis=1) > 200).argmax()) / columns * SECONDS
    assert begins == pytest.approx(ONSET, abs=0.0125 + SECONDS / columns)  # half a window, and a column
    middle = levels[round(columns * 0.6) : -columns // 8]
    hertz = middle.argmax(axis=1) * RATE / 2 / height
    assert np.abs(hertz - TONE).max() <= RATE / 2 / height
    assert np.median(middle) == 0  # all else is silent
    pixels = page.execute_script("""
        const canvas = document.querySelector('canvas');
        const data = canvas.getContext('2d').getImageData(canvas.width * 0.7, 0, 1, canvas.height).data;
        return [...data].filter((_, at) => at % 4 === 0);""")
    row = len(pixels) - 1 - int(np.median(middle.argmax(axis=1)))
    assert pixels[row] == min(pixels) < max(pixels) == 255  # dark on white


@pytest.mark.parametrize("how", ["emulated", "by the button"])
def test_dark(page: Any, how: str) -> None:
    page.find_element("css selector", ".figures .sound button").click()
    wait_for(page, "return document.querySelector('canvas').levels !== undefined")
    ground = "return getComputedStyle(document.body).backgroundColor"
    corner = "return [...document.querySelector('canvas').getContext('2d').getImageData(0, 0, 1, 1).data]"
    assert page.execute_script(ground) == "rgb(255, 255, 255)"
    light = page.execute_script(corner)
    assert page.execute_script(CONTRASTS) == []
    if how == "emulated":
        features = [{"name": "prefers-color-scheme", "value": "dark"}]
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    else:
        page.find_element("id", "theme").click()
    assert page.execute_script(ground) == "rgb(22, 24, 28)"
    wait_for(page, "return document.getElementById('theme').textContent === 'Light'")
    assert page.execute_script(corner) != light
    assert page.execute_script(CONTRASTS) == []
    page.find_element("id", "theme").click()
    assert page.execute_script(ground) == "rgb(255, 255, 255)"


# Every text that is shown and has less than 4.5 (WCAG 2.2) against the grounds it stands on
CONTRASTS = """
const parse = (colour) => { const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
const linear = (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const luminance = (rgb) => rgb.slice(0, 3).map(c => linear(c / 255))
  .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
const over = (top, ground) => [0, 1, 2].map(at => top[at] * top[3] + ground[at] * (1 - top[3]));
function ground(element) {
  const chain = [];
  for (let each = element; each; each = each.parentElement) chain.push(parse(getComputedStyle(each).backgroundColor));
  return chain.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
}
const faults = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  const hidden = !element.checkVisibility() || element.closest('script, style, option, :disabled');
  if (!walker.currentNode.data.trim() || hidden) continue;
  const below = ground(element), colour = getComputedStyle(element).color;
  const [a, b] = [over(parse(colour), below), below].map(luminance).sort((x, y) => x - y);
  if ((b + 0.05) / (a + 0.05) < 4.5) faults.push([walker.currentNode.data, colour, below]);
}
return faults;
"""


def test_the_measure_of_contrast_finds_faint_text(page: Any) -> None:
    page.execute_script("document.querySelector('h1').style.color = '#777777'")
    assert [each[0] for each in page.execute_script(CONTRASTS)] == ["<b>t</b>"]


@pytest.mark.parametrize("width", [360, 768])
def test_narrow_screens_scroll_in_one_direction(page: Any, width: int) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page.find_element("css selector", ".figures .sound button").click()
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
        assert page.find_element("css selector", ".figures .id").is_displayed()
        assert page.execute_script(CUT) == 0
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_on_paper_nothing_is_cut_off(page: Any) -> None:
    size = {"width": 640, "height": 900, "deviceScaleFactor": 1, "mobile": False}  # A4 within Chromium's margins: 718
    try:
        for width in (640, 718, 740):
            page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size | {"width": width})
            page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
            assert page.execute_script("return document.documentElement.scrollWidth") <= width
            assert page.execute_script(CUT) == 0
            assert not any(each.is_displayed() for each in page.find_elements("css selector", "button.quiet, select"))
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_one_speaker_a_thousand_and_none(chromium: Any, tmp_path: Path) -> None:
    texts = {f"u{at:04}": "yes no" for at in range(1000)}
    hyps = {key: "yes no" if at % 3 else "yes" for at, key in enumerate(texts)}
    for speakers, shown in ((1, 1), (1000, 15)):
        found = score(texts, hyps, {key: f"s{at % speakers:04}" for at, key in enumerate(texts)})
        page = show(chromium, html.page(found), tmp_path)
        assert len(page.find_elements("css selector", "#speaker-rows li")) == shown
    page.find_element("id", "speaker-more").click()
    assert len(page.find_elements("css selector", "#speaker-rows li")) == 1000
    page = show(chromium, html.page(score(texts, hyps)), tmp_path)
    assert not page.find_element("id", "speakers").is_displayed()
    assert not page.find_element("id", "speaker").is_displayed()
    assert browsers.console(page) == []


def test_a_perfect_score_and_a_long_utterance(chromium: Any, tmp_path: Path) -> None:
    long = " ".join(WORDS * 100)
    page = show(chromium, html.page(score({"u": long}, {"u": long})), tmp_path)
    assert not page.find_element("css selector", ".errors").is_displayed()
    assert len(page.find_elements("css selector", ".step")) == 400
    page.find_element("css selector", ".alignment button").click()
    assert len(page.find_elements("css selector", ".step")) == len(WORDS) * 100
    assert browsers.console(page) == []


def test_twenty_thousand_utterances(chromium: Any, tmp_path: Path) -> None:
    rng = random.Random(1)
    refs = {f"u{at:05}": " ".join(rng.choices(WORDS, k=20)) for at in range(20_000)}
    hyps = {key: " ".join(_misheard(text.split(), rng)) for key, text in refs.items()}
    refs["u12345"] += " needle"
    found = score(refs, hyps, {key: key[:3] for key in refs})
    page = show(chromium, html.page(found), tmp_path)
    assert page.find_element("id", "shown").text == "1 to 25 · 20,000 utterances"
    page.find_element("id", "text").send_keys("needle")
    assert [each.text for each in page.find_elements("css selector", ".figures .id")] == ["u12345"]
    page.find_element("id", "clear").click()
    wait_for(page, "return document.getElementById('clear').hidden")
    sort_by(page, "Utterance")
    assert page.find_element("css selector", ".figures .id").text == "u00000"
    assert browsers.console(page) == []
