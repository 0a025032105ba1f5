"""``dstoolkit align`` on the toy corpus: what it writes, prints and refuses."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from dstoolkit.data import datadir
from dstoolkit.data.archive import Archive
from tests import toy
from tests.data.textgrids import assert_sound


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from dstoolkit.pipeline.experiment import load
    from dstoolkit.training import setup

    folder = toy.make(tmp_path_factory.mktemp("toy"))
    sources = setup.Sources(folder / "train", folder / "dev", folder / "tokenizer")
    setup.train(folder / "exp", load(folder / "train.yaml", ["train.epochs=1"]), sources, "cpu")
    return folder


@pytest.fixture
def data(corpus: Path, tmp_path: Path) -> Path:
    """A copy of the toy corpus's dev set, to be altered."""
    return Path(shutil.copytree(corpus / "dev", tmp_path / "dev"))


def rows(path: Path) -> list[list[str]]:
    return [line.split(" ") for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_word_has_its_line_and_its_interval(dstoolkit: Any, corpus: Path, data: Path) -> None:
    out = data.parent / "align"
    shown = dstoolkit("align", corpus / "exp", data, "--out", out, "--device", "cpu").stdout
    texts, archive = datadir.read_text(data / "text"), Archive(data / "features.h5")
    words = [(utterance, word) for utterance, text in texts.items() for word in text.split()]
    assert shown == f"{out}: 6 utterances aligned, {len(words)} words\n"
    assert {each.name for each in out.iterdir()} == {"ctm", "tokens.ctm", "textgrid", "stamp.json"}
    found = rows(out / "ctm")
    assert [(row[0], row[4]) for row in found] == words
    for utterance, channel, start, duration, _, confidence in found:
        end = archive.durations[archive.index(utterance)]
        assert channel == "1"
        assert 0 <= float(start) <= float(start) + float(duration) <= end + 1e-9
        assert 0 <= float(confidence) <= 1
    spelled = [(row[0], row[4].replace("<space>", " ")) for row in rows(out / "tokens.ctm")]
    assert spelled == [(utterance, letter) for utterance, text in texts.items() for letter in text]
    for utterance, text in texts.items():
        tiers = assert_sound((out / "textgrid" / f"{utterance}.TextGrid").read_text(encoding="utf-8"))
        assert list(tiers) == ["words", "tokens"]
        assert [each[2] for each in tiers["words"] if each[2]] == text.split()
        assert tiers["words"][-1][1] == pytest.approx(archive.durations[archive.index(utterance)], abs=1e-6)
        starts = [begin for begin, _, word in tiers["words"] if word]
        assert starts == pytest.approx([float(row[2]) for row in found if row[0] == utterance], abs=0.0006)


def test_done_once_and_another_text_is_refused(dstoolkit: Any, corpus: Path, data: Path) -> None:
    out = data.parent / "align"
    command = ["align", corpus / "exp", data, "--out", out, "--device", "cpu"]
    dstoolkit(*command)
    assert dstoolkit(*command).stdout == f"{out}: already done\n"
    assert "format was" in dstoolkit(*command, "--format", "ctm", status=2).stderr
    (data / "text").write_text("".join(f"u00{at} no\n" for at in range(6)))
    assert "input 'text' has changed" in dstoolkit(*command, status=2).stderr
    dstoolkit(*command, "--force")
    assert [row[4] for row in rows(out / "ctm")] == ["no"] * 6


@pytest.mark.parametrize(
    ("chosen", "names"),
    [("ctm", {"ctm", "tokens.ctm"}), ("textgrid", {"textgrid"}), ("textgrid, ctm", {"ctm", "tokens.ctm", "textgrid"})],
)
def test_formats(dstoolkit: Any, corpus: Path, data: Path, chosen: str, names: set[str]) -> None:
    out = data.parent / "align"
    dstoolkit("align", corpus / "exp", data, "--out", out, "--format", chosen)
    assert {each.name for each in out.iterdir()} == names | {"stamp.json"}


def test_recordings_and_their_time_by_segments(dstoolkit: Any, corpus: Path, data: Path) -> None:
    plain, cut = data.parent / "plain", data.parent / "cut"
    command = ["align", corpus / "exp", data, "--format", "ctm", "--out"]
    dstoolkit(*command, plain)
    starts = {"u000": 40.0, "u001": 20.5, "u002": 0.0, "u003": 7.25, "u004": 1.0, "u005": 30.0}
    places = {each: ("tape" if each < "u003" else "reel", start) for each, start in starts.items()}
    lines = [f"{each} {recording} {start} {start + 5}\n" for each, (recording, start) in places.items()]
    (data / "segments").write_text("".join(lines))
    dstoolkit(*command, cut)
    expected = [
        (places[row[0]][0], float(row[2]) + places[row[0]][1], row[3], row[4], row[5]) for row in rows(plain / "ctm")
    ]
    found = [(row[0], float(row[2]), row[3], row[4], row[5]) for row in rows(cut / "ctm")]
    assert [row[0::2] for row in found] == [row[0::2] for row in sorted(expected)]
    assert [row[1] for row in found] == pytest.approx([row[1] for row in sorted(expected)], abs=1e-6)
    (data / "segments").write_text("".join(lines).replace("tape", "disc"))
    assert "input 'segments' has changed" in dstoolkit(*command, cut, status=2).stderr
    assert "input 'segments' has changed" in dstoolkit(*command, plain, status=2).stderr


def test_another_text_and_what_cannot_be_aligned(dstoolkit: Any, corpus: Path, data: Path) -> None:
    text = data.parent / "words"
    text.write_text(f"u001 no no\nu000 {'yes ' * 60}\nu002 niño\nu003\nu004 yes\n")
    out = data.parent / "align"
    ran = dstoolkit("align", corpus / "exp", data, "--text", text, "--out", out)
    assert ran.stdout == f"{out}: 2 utterances aligned, 3 words; 4 left out\n"
    assert "warning: u002: left out: no token for 'ñ' in 'niño'" in ran.stderr
    assert [row[0] for row in rows(out / "ctm")] == ["u001", "u001", "u004"]
    reasons = dict(line.split(" ", 1) for line in (out / "unaligned").read_text().splitlines())
    assert list(reasons) == ["u000", "u002", "u003", "u005"]
    assert "for 239 tokens; expected 239 or more" in reasons["u000"]
    assert (reasons["u003"], reasons["u005"]) == ("an empty text", "no text")
    assert {each.stem for each in (out / "textgrid").iterdir()} == {"u001", "u004"}


def test_many_left_out_are_counted(dstoolkit: Any, corpus: Path, tmp_path: Path) -> None:
    data, out = toy.write_split(tmp_path / "more", 9, 5), tmp_path / "align"
    (data / "text").write_text("u000 yes\n")
    ran = dstoolkit("align", corpus / "exp", data, "--out", out)
    assert ran.stderr.count("left out: no text") == 5
    assert f"and 3 more, all in '{out / 'unaligned'}'" in ran.stderr


def test_none_left_is_an_error_and_leaves_nothing(dstoolkit: Any, corpus: Path, data: Path) -> None:
    (data / "text").write_text("".join(f"u00{at} ж\n" for at in range(6)))
    out = data.parent / "align"
    said = dstoolkit("align", corpus / "exp", data, "--out", out, status=2).stderr
    assert f"{data / 'text'}: none of 6 utterances can be aligned; the first, 'u000': no token for 'ж'" in said
    assert [each.name for each in data.parent.iterdir()] == ["dev"]


def test_showing_an_utterance(dstoolkit: Any, corpus: Path, data: Path) -> None:
    ran = dstoolkit("align", corpus / "exp", data, "--show", "u001", "--show", "u000")
    text = datadir.read_text(data / "text")
    tables = ran.stdout.split("\n\n")
    assert [table.split(":")[0] for table in tables] == ["u001", "u000"]
    for table, utterance in zip(tables, ("u001", "u000"), strict=True):
        words = [line.split()[2] for line in table.strip().splitlines()[2:]]
        assert words == text[utterance].split()
        assert all(line.count("=") >= 1 for line in table.strip().splitlines()[2:])
    (data / "text").write_text("u000 ж\n")
    assert "u000: cannot be aligned: no token for" in dstoolkit("align", corpus / "exp", data, "--show", "u000").stdout


def test_showing_beside_writing(dstoolkit: Any, corpus: Path, data: Path) -> None:
    out = data.parent / "align"
    command = ["align", corpus / "exp", data, "--out", out, "--show", "u002"]
    first, again = dstoolkit(*command).stdout, dstoolkit(*command).stdout
    assert first.partition("\n")[2] == again.partition("\n")[2]
    starts = [line.split()[0] for line in first.splitlines()[3:]]
    expected = [float(row[2]) for row in rows(out / "ctm") if row[0] == "u002"]
    assert [float(each) for each in starts] == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "neither --out nor --show"),
        (["--show", "u9"], "--show: utterance 'u9'"),
        (["--out", "x", "--format", "praat"], "'praat'; expected ctm or textgrid"),
        (["--out", "x", "--format", ""], "''; expected ctm or textgrid"),
        (["--out", "x", "--text", "absent"], "absent: no such file or directory"),
    ],
)
def test_bad_options(dstoolkit: Any, corpus: Path, data: Path, arguments: list[str], said: str) -> None:
    assert said in dstoolkit("align", corpus / "exp", data, *arguments, status=2).stderr


def test_bad_input(dstoolkit: Any, corpus: Path, data: Path) -> None:
    out = ["--out", data.parent / "align"]
    assert "best.pt: no such file; run 'dstoolkit train' first" in dstoolkit("align", data, data, *out, status=2).stderr
    said = dstoolkit("align", corpus / "exp", corpus / "exp", *out, status=2).stderr
    assert "features.h5: no such file; run 'dstoolkit features extract' first" in said
    (data / "text").write_text("u000 yes\nx1 no\nx2 no\n")
    said = dstoolkit("align", corpus / "exp", data, *out, status=2).stderr
    assert all(f"{data / 'text'}: utterance '{each}'" in said for each in ("x1", "x2"))
    (data / "text").write_text("u000 yes\n")
    (data / "segments").write_text("u000 tape 0 1\n")
    assert "segments: no utterance 'u001'" in dstoolkit("align", corpus / "exp", data, *out, status=2).stderr
    assert not out[1].exists()
