"""``dstoolkit score``."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ref").write_text("s1-a the cat sat\ns1-b on the mat\ns2-a yes\n")
    (tmp_path / "hyp").write_text("s1-a the hat sat\ns1-b on a the mat\ns2-a\n")
    (tmp_path / "utt2spk").write_text("s1-a s1\ns1-b s1\ns2-a s2\n")
    return tmp_path


def arguments(folder: Path) -> list[object]:
    return ["score", "--ref", folder / "ref", "--hyp", folder / "hyp", "--out", folder / "out"]


def rate(shown: str, name: str) -> str:
    """The percentage in the row of this name."""
    (row,) = [line for line in shown.splitlines() if line.startswith(f"| {name} ")]
    return row.split("|")[2].strip()


def test_reports_and_the_head_on_standard_output(dstoolkit: Any, folder: Path) -> None:
    shown = dstoolkit(*arguments(folder), "--utt2spk", folder / "utt2spk").stdout
    assert rate(shown, "WER") == "42.86"
    assert rate(shown, "SER") == "100.00"
    text = (folder / "out" / "wer.txt").read_text()
    assert shown.partition("\n\n")[2].strip() in text
    assert "## Speakers" in text
    found = json.loads((folder / "out" / "wer.json").read_text())
    assert found["wer"]["rate"] == 3 / 7
    assert sorted(found["speakers"]) == ["s1", "s2"]
    names = {each.name for each in (folder / "out").iterdir()}
    files = {"wer.txt", "wer.json", "wer.pra", "ref.trn", "hyp.trn", "report.html"}
    assert names == files | {"wer.json.stamp.json"}


def test_beside_the_hypotheses_and_done_once(dstoolkit: Any, folder: Path) -> None:
    out = folder / "out"
    out.mkdir()
    (out / "text").write_text((folder / "hyp").read_text())
    command = ["score", "--ref", folder / "ref", "--hyp", out / "text", "--out", out]
    first = dstoolkit(*command).stdout
    before = (out / "wer.txt").stat().st_mtime_ns
    again = dstoolkit(*command).stdout
    assert "done already" in again
    assert again.partition("\n")[2] == first.partition("\n")[2]
    assert (out / "wer.txt").stat().st_mtime_ns == before
    (out / "wer.txt").unlink()
    dstoolkit(*command)
    assert (out / "wer.txt").exists()
    (out / "text").write_text("s1-a the cat sat\ns1-b on the mat\ns2-a yes\n")
    assert "input '--hyp' has changed" in dstoolkit(*command, status=2).stderr
    assert rate(dstoolkit(*command, "--force").stdout, "WER") == "0.00"


def test_killed_between_the_files(dstoolkit: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dstoolkit import stamp

    def no_space(path: Path, text: str) -> None:
        if path.name == "wer.json":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write_text(path, text)

    write_text = stamp.write_text
    with monkeypatch.context() as patch:
        patch.setattr(stamp, "write_text", no_space)
        assert "wer.json: no space left on device" in dstoolkit(*arguments(folder), status=2).stderr
    assert not any("json" in each.name for each in (folder / "out").iterdir())
    assert "3 utterances scored" in dstoolkit(*arguments(folder)).stdout
    assert "done already" in dstoolkit(*arguments(folder)).stdout


def test_both_sides_can_be_normalised(dstoolkit: Any, folder: Path) -> None:
    (folder / "ref").write_text("s1-a The cat sat.\ns1-b On the mat!\ns2-a Yes\n")
    (folder / "hyp").write_text("s1-a the cat sat\ns1-b on the mat\ns2-a yes\n")
    as_it_stands = dstoolkit(*arguments(folder)).stdout
    assert rate(as_it_stands, "WER") == "71.43"
    assert "Texts compared as they stand." in as_it_stands
    conf = folder / "train.yaml"
    conf.write_text("text: {case: lower, unicode: NFKC}\ntrain: {epochs: 3}\n")
    normalised = dstoolkit(*arguments(folder), "--config", conf, "--force").stdout
    assert rate(normalised, "WER") == "0.00"
    assert "Both sides normalised: case lower, punctuation remove, unicode NFKC, numbers keep." in normalised
    assert "text.cas: no such option" in dstoolkit(*arguments(folder), "--set", "text.cas=keep", status=2).stderr


def test_trn_files(dstoolkit: Any, folder: Path) -> None:
    (folder / "ref.trn").write_text("the cat sat (s1-a)\non the mat (s1-b)\nyes (s2-a)\n")
    shown = dstoolkit("score", "--ref", folder / "ref.trn", "--hyp", folder / "hyp", "--out", folder / "out").stdout
    assert rate(shown, "WER") == "42.86"


def test_trn_and_pra_are_of_the_texts_as_scored(dstoolkit: Any, folder: Path) -> None:
    out = folder / "out"
    (folder / "ref").write_text("s1-a THE cat sat\ns1-b on the MAT\ns2-a yes\n")
    dstoolkit(*arguments(folder), "--utt2spk", folder / "utt2spk", "--case", "lower")
    assert (out / "ref.trn").read_text() == "the cat sat (s1-a)\non the mat (s1-b)\nyes (s2-a)\n"
    assert (out / "hyp.trn").read_text() == "the hat sat (s1-a)\non a the mat (s1-b)\n(s2-a)\n"
    assert "id: (s1-b)\nScores: (#C #S #D #I) 3 0 0 1\n" in (out / "wer.pra").read_text()
    again = dstoolkit("score", "--ref", out / "ref.trn", "--hyp", out / "hyp.trn", "--out", folder / "again").stdout
    assert rate(again, "WER") == "42.86"
    found = json.loads((folder / "again" / "wer.json").read_text())
    assert list(found["speakers"]) == ["s1", "s2"]  # which a trn's ids name


def test_the_definition_of_an_alignment(dstoolkit: Any, folder: Path) -> None:
    (folder / "ref").write_text("s1-a A a a b c\ns1-b x\ns2-a x\n")
    (folder / "hyp").write_text("s1-a b c y B\ns1-b x\ns2-a x\n")
    fewest = dstoolkit(*arguments(folder), "--case", "lower").stdout
    assert (rate(fewest, "WER"), "Alignment levenshtein" in fewest) == ("57.14", True)
    stderr = dstoolkit(*arguments(folder), "--case", "lower", "--alignment", "sclite", status=2).stderr
    assert "alignment was 'levenshtein', now 'sclite'" in stderr
    sclite = dstoolkit(*arguments(folder), "--alignment", "sclite", "--force").stdout
    assert (rate(sclite, "WER"), "Alignment sclite" in sclite) == ("71.43", True)
    (folder / "hyp").write_text("s1-a b { c\ns1-b x\ns2-a @\n")
    lines = dstoolkit(*arguments(folder), "--alignment", "sclite", "--force", status=2).stderr.splitlines()
    assert [line.partition(";")[0] for line in lines] == [
        f"dstoolkit: {folder}/hyp: utterance 's1-a' has '{{'",
        f"dstoolkit: {folder}/hyp: utterance 's2-a' has '@'",
    ]


def test_errors_in_tokens(dstoolkit: Any, folder: Path) -> None:
    dstoolkit("tokenizer", "train", folder / "ref", folder / "tokens")
    shown = dstoolkit(*arguments(folder), "--tokenizer", folder / "tokens").stdout
    assert rate(shown, "TER") == rate(shown, "CER") == "25.00"  # its tokens are characters
    (folder / "ref").write_text("s1-a the cat\ns1-b on\ns2-a 7\n")
    (folder / "hyp").write_text("s1-a thé cat\ns1-b on\ns2-a 7 да\n")
    dstoolkit("tokenizer", "train", folder / "ref", folder / "dropping", "--set", "text.unknown=drop")
    for tokens in ("tokens", "dropping"):
        stderr = dstoolkit(*arguments(folder), "--tokenizer", folder / tokens, "--force", status=2).stderr
        assert f"{folder}/ref: 1 character has no token; expected only" in stderr
        assert f"{folder}/hyp: 4 characters have no token; expected only" in stderr
        assert "'é' (U+00E9 latin small letter e with acute) occurs once, first in 's1-a'" in stderr
    stderr = dstoolkit(*arguments(folder), "--tokenizer", folder, "--force", status=2).stderr
    assert "vocabulary.yaml" in stderr


@pytest.mark.parametrize(("option", "name"), [("--ref", "ref.trn"), ("--hyp", "hyp.trn"), ("--hyp", "wer.txt")])
def test_what_is_scored_is_never_replaced(dstoolkit: Any, folder: Path, option: str, name: str) -> None:
    (folder / "out").mkdir()
    (folder / "out" / name).write_text("x (s1-a)\n")
    files = {"--ref": folder / "ref", "--hyp": folder / "hyp", "--out": folder / "out"} | {
        option: folder / "out" / name
    }
    stderr = dstoolkit("score", *(each for item in files.items() for each in item), status=2).stderr
    assert f"{option} {folder}/out/{name}: a report written into '{folder}/out' would replace it" in stderr
    assert (folder / "out" / name).read_text() == "x (s1-a)\n"


def test_a_long_utterance(dstoolkit: Any, folder: Path) -> None:
    """100,000 words of which every thousandth was misheard, and ten missed."""
    words = [str(at) for at in range(100_000)]
    heard = ["x" if at % 1000 == 0 else word for at, word in enumerate(words) if at % 10_000 != 1]
    (folder / "ref").write_text(f"u {' '.join(words)}\nv yes\n")
    (folder / "hyp").write_text(f"u {' '.join(heard)}\nv\n")
    dstoolkit(*arguments(folder))
    wer = json.loads((folder / "out" / "wer.json").read_text())["wer"]
    assert (wer["substitutions"], wer["deletions"], wer["insertions"], wer["correct"]) == (100, 11, 0, 99_890)


def test_ids_that_do_not_match(dstoolkit: Any, folder: Path) -> None:
    (folder / "hyp").write_text("s1-a the hat sat\ns2-a\ns3-a oh\n")
    lines = dstoolkit(*arguments(folder), status=2).stderr.splitlines()
    assert lines == [
        f"dstoolkit: {folder}/hyp: utterance 's1-b' has no hypothesis; expected one for each reference",
        f"dstoolkit: {folder}/hyp: utterance 's3-a' has no reference; '{folder}/ref' lacks it",
    ]
    assert not (folder / "out").exists()


def test_faults_of_both_files_are_named_with_their_lines(dstoolkit: Any, folder: Path) -> None:
    (folder / "hyp").write_text("s1-a the hat sat\ns1-b on\ns1-a the\ns2-a\n")
    (folder / "ref").write_bytes(b"s1-a the cat\ns1-b \xff\ns2-a yes\n")
    first, second = dstoolkit(*arguments(folder), status=2).stderr.splitlines()
    assert first.startswith(f"dstoolkit: {folder}/ref:2: ")
    assert second.startswith(f"dstoolkit: {folder}/hyp:3: ")
    assert "'s1-a'" in second


@pytest.mark.parametrize(
    ("file", "content", "found"),
    [
        ("ref", b"", "ref: an empty file"),
        ("ref", b"s1-a\ns1-b\ns2-a\n", "ref: no word in 3 utterances"),
        ("hyp", b"s1-a \xff\ns1-b\ns2-a\n", "hyp:1: "),
        ("utt2spk", b"s1-a s1\ns1-b s1\n", "utt2spk: utterance 's2-a' has no speaker"),
        ("utt2spk", b"s1-a s1\ns1-b s1 x\ns2-a s2\n", "utt2spk:2: "),
    ],
)
def test_files_that_cannot_be_scored(dstoolkit: Any, folder: Path, file: str, content: bytes, found: str) -> None:
    (folder / file).write_bytes(content)
    assert found in dstoolkit(*arguments(folder), "--utt2spk", folder / "utt2spk", status=2).stderr
    assert not (folder / "out").exists()


def test_a_missing_file(dstoolkit: Any, folder: Path) -> None:
    (folder / "hyp").unlink()
    assert "does not exist" in dstoolkit(*arguments(folder), status=2).stderr
