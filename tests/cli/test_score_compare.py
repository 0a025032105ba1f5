"""``dstoolkit score compare``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ref").write_text("s1-a The cat sat\ns1-b on the mat\ns2-a yes it is\n")
    (tmp_path / "old").write_text("s1-a the hat sat\ns1-b on a the mat\ns2-a\n")
    (tmp_path / "new").write_text("s1-a the cat sat\ns1-b on the mat\ns2-a yes its\n")
    (tmp_path / "utt2spk").write_text("s1-a s1\ns1-b s1\ns2-a s2\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


FILES = ["score", "compare", "old", "new", "--ref", "ref"]


def scored(dstoolkit: Any, name: str, *options: str) -> None:
    dstoolkit("score", "--ref", "ref", "--hyp", name, "--out", f"{name}.scores", "--utt2spk", "utt2spk", *options)


def test_folders_and_files_agree(dstoolkit: Any, folder: Path) -> None:
    scored(dstoolkit, "old", "--case", "lower")
    scored(dstoolkit, "new", "--case", "lower")
    of_folders = json.loads(dstoolkit("score", "compare", "old.scores", "new.scores", "--json").stdout)
    of_files = json.loads(dstoolkit(*FILES, "--utt2spk", "utt2spk", "--case", "lower", "--json").stdout)
    assert (of_folders["a"].pop("name"), of_files["a"].pop("name")) == ("old.scores", "old")
    assert (of_folders["b"].pop("name"), of_files["b"].pop("name")) == ("new.scores", "new")
    assert of_folders == of_files
    assert of_files["a"]["errors"] == 5
    assert of_files["b"]["errors"] == 2
    assert of_files["texts"]["case"] == "lower"
    assert of_files["bootstrap"]["speakers"]["units"] == 2


def test_tables(dstoolkit: Any, folder: Path) -> None:
    (folder / "new").write_text("s1-a the cat sat\ns1-b on mat\ns2-a yes it is\n")
    shown = dstoolkit(*FILES, "--level", "0.9").stdout
    assert "| A | old    | 66.67 |      6 |  9 |" in shown
    assert "90 % interval" in shown
    assert "bootstrap by speakers" not in shown
    assert "No significant difference at the level 0.1" in shown
    assert "Texts compared as they stand." in shown


def test_sclite_alignment(dstoolkit: Any, folder: Path) -> None:
    (folder / "old").write_text("s1-a the hat sat\ns1-b on a the mat\ns2-a\n")
    shown = dstoolkit(*FILES, "--alignment", "sclite").stdout
    assert "| A | old    | 55.56 |      5 |  9 |" in shown  # case does not count
    assert "Alignment sclite." in shown
    scored(dstoolkit, "old", "--alignment", "sclite")
    scored(dstoolkit, "new")
    stderr = dstoolkit("score", "compare", "old.scores", "new.scores", status=2).stderr
    assert "new.scores: alignment 'levenshtein'; 'old.scores' has 'sclite'; score both alike" in stderr


def test_written_once(dstoolkit: Any, folder: Path) -> None:
    shown = dstoolkit(*FILES, "--out", "compared").stdout
    out = folder / "compared"
    assert (out / "compare.txt").read_text() == shown
    assert (out / "compare.json").read_text() == dstoolkit(*FILES, "--json").stdout
    before = (out / "compare.txt").stat().st_mtime_ns
    dstoolkit(*FILES, "--out", "compared")
    assert (out / "compare.txt").stat().st_mtime_ns == before
    assert "level was 0.95, now 0.9" in dstoolkit(*FILES, "--out", "compared", "--level", "0.9", status=2).stderr
    (folder / "new").write_text((folder / "old").read_text())
    assert "input 'B' has changed" in dstoolkit(*FILES, "--out", "compared", status=2).stderr
    dstoolkit(*FILES, "--out", "compared", "--force")
    assert json.loads((out / "compare.json").read_text())["difference"] == 0


def test_what_is_compared_is_never_replaced(dstoolkit: Any, folder: Path) -> None:
    before = (folder / "old").rename(folder / "compare.txt").read_bytes()
    arguments = ["score", "compare", "compare.txt", "new", "--ref", "ref", "--out", "."]
    assert "A compare.txt: a comparison written into '.' would replace it" in dstoolkit(*arguments, status=2).stderr
    assert (folder / "compare.txt").read_bytes() == before


def test_same_seed_same_figures(dstoolkit: Any, folder: Path) -> None:
    first = dstoolkit(*FILES, "--json").stdout
    assert dstoolkit(*FILES, "--json").stdout == first
    assert dstoolkit(*FILES, "--json", "--seed", "1").stdout != first


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["old", "new"], "--ref: missing; expected the references of 'old' and 'new'"),
        (["old.scores", "new"], "new: a file; expected a score folder, as 'old.scores' is; give two of a kind"),
        (["old.scores", "."], ".: no scores; expected 'wer.json'; run 'dstoolkit score --out' first"),
        (["old.scores", "old.scores", "--ref", "ref"], "--ref: given, but 'old.scores' is a score folder"),
        (["old.scores", "old.scores", "--case", "lower"], "--case: given, but 'old.scores' is a score folder"),
        (["old.scores", "old.scores", "--alignment", "levenshtein"], "--alignment: given, but 'old.scores' is"),
        (["old", "new", "--ref", "ref", "--level", "1"], "Invalid value for '--level'"),
        (["old", "nowhere", "--ref", "ref"], "'nowhere' does not exist"),
    ],
)
def test_what_does_not_go_together(dstoolkit: Any, folder: Path, arguments: list[str], found: str) -> None:
    scored(dstoolkit, "old")
    assert found in dstoolkit("score", "compare", *arguments, status=2).stderr


def test_other_references_and_texts(dstoolkit: Any, folder: Path) -> None:
    scored(dstoolkit, "old")
    scored(dstoolkit, "new", "--case", "lower")
    compare = ["score", "compare", "old.scores", "new.scores"]
    assert (
        "new.scores: scored with case 'lower'; 'old.scores' with case as it stands"
        in dstoolkit(*compare, status=2).stderr
    )
    (folder / "ref").write_text("s1-a The cat sits\ns1-b on the mat\ns2-a yes it is\n")
    scored(dstoolkit, "new", "--force")
    stderr = dstoolkit(*compare, status=2).stderr
    assert "new.scores: the reference of 's1-a' is 'The cat sits'; in 'old.scores' it is 'The cat sat'" in stderr


def test_a_damaged_folder(dstoolkit: Any, folder: Path) -> None:
    scored(dstoolkit, "old")
    (folder / "old.scores" / "wer.json").write_bytes(b"\xff")
    stderr = dstoolkit("score", "compare", "old.scores", "old.scores", status=2).stderr
    assert "old.scores/wer.json: not the scores of 'dstoolkit score'; score it anew" in stderr
