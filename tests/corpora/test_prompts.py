"""The Asterisk sounds on small trees of the packages' layout."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from dstoolkit.corpora import debian, prompts
from dstoolkit.corpora.prompts import Prompts, PromptsConfig
from dstoolkit.errors import DataError, DstoolkitError, FetchError
from dstoolkit.interfaces import Utterance
from dstoolkit.testing import Subject, run_checks

LIST = """; Core Asterisk Sounds in English

added: Added.
beep: [this is a simple beep tone]
conf-usermenu: Please press 1 to mute - or 21 to quit, now and forevermore.
confbridge-join: <beep ascending>
dictate/exit: Enter a filename followed by # or just # to exit
letters/at: at [@]
missing: There is no recording of this.
silence/10: (10 seconds of silence)
spy-iax2: IAX (note: does not say "2")
empty: Nothing to hear.
added: Added twice.
ten: press 10
"""
TEXTS = {
    "allison-added": "added",
    "allison-conf-usermenu": "please press one to mute or twenty one to quit now and forevermore",
    "allison-dictate-exit": "enter a filename followed by pound or just pound to exit",
    "allison-letters-at": "at",
    "allison-spy-iax2": "iax",
    "allison-ten": "press ten",
}
RECORDED = ["added", "beep", "conf-usermenu", "confbridge-join", "dictate/exit", "letters/at", "silence/10", "spy-iax2"]
RECORDED += ["empty", "ten", "unlisted"]


def make_tree(folder: Path, language: str = "en", voice: str = "en_US_f_Allison", text: str = LIST) -> Path:
    sounds = folder / "usr/share/asterisk/sounds" / voice
    for name in RECORDED:
        (sounds / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(sounds / f"{name}.wav", np.zeros(0 if name == "empty" else 80, np.float32), 8000)
    docs = folder / f"usr/share/doc/asterisk-core-sounds-{language}"
    docs.mkdir(parents=True)
    (docs / f"core-sounds-{language}.txt.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    return folder


@pytest.fixture
def english() -> Prompts:
    return Prompts(PromptsConfig())


def everything(corpus: Prompts, folder: Path) -> dict[str, Utterance]:
    made = corpus.prepare(folder)
    return {each.id: each for split in made.splits.values() for each in split}


def test_what_is_kept_and_how_it_is_written(tmp_path: Path, english: Prompts) -> None:
    found = everything(english, make_tree(tmp_path))
    assert {name: each.text for name, each in found.items()} == TEXTS
    assert found["allison-letters-at"].path.endswith("/en_US_f_Allison/letters/at.wav")
    assert {each.speaker for each in found.values()} == {"allison"}


def test_what_is_left_out_is_counted(tmp_path: Path, english: Prompts) -> None:
    notes = english.prepare(make_tree(tmp_path)).notes
    assert sorted(note for note in notes if note.startswith("left out")) == [
        "left out: 1 x empty recording",
        "left out: 1 x recording without a transcript",
        "left out: 1 x transcript of a name that has one already",
        "left out: 1 x transcript without a recording",
        "left out: 3 x not speech (tone, silence, bracketed note)",
    ]


@pytest.mark.parametrize("place", [".", "usr", "usr/share", "above"])
def test_the_tree_is_found_wherever_it_begins(tmp_path: Path, place: str, english: Prompts) -> None:
    root = make_tree(tmp_path / "x")
    folder = tmp_path if place == "above" else root / place
    assert english.locate(folder, tmp_path / "cache") == folder
    assert everything(english, folder).keys() == TEXTS.keys()


@pytest.mark.parametrize(
    ("language", "text", "spoken"), [("es", "oprima 2", "oprima dos"), ("ru", "ten: Нажмите 2", "нажмите два")]
)
def test_other_languages(tmp_path: Path, language: str, text: str, spoken: str) -> None:
    """With a byte-order mark, as the Italian list has, and a name twice, as the Russian."""
    corpus = Prompts(PromptsConfig(lang=language))  # type: ignore[arg-type]
    folder = make_tree(tmp_path, language, f"{language}_XX_m_Bob", f"\ufeff; comment\nten: {text}\n")
    assert {name: each.text for name, each in everything(corpus, folder).items()} == {"bob-ten": spoken}


def test_another_language_is_not_taken_for_ours(tmp_path: Path) -> None:
    make_tree(tmp_path)
    with pytest.raises(FetchError, match="no Asterisk sounds for language 'fr'; expected"):
        Prompts(PromptsConfig(lang="fr")).locate(tmp_path, tmp_path / "cache")


def make_debs(folder: Path, tree: Path, make_tar: Any, make_deb: Any) -> None:
    for package, part in (("asterisk-core-sounds-en-wav", "asterisk"), ("asterisk-core-sounds-en", "doc")):
        files = [each for each in (tree / "usr/share" / part).rglob("*") if each.is_file()]
        data = make_tar({f"./{each.relative_to(tree)}": each.read_bytes() for each in files}, "w:xz")
        (folder / f"{package}_1.6.1-1_all.deb").write_bytes(make_deb(data))


def test_debs_are_unpacked_into_the_cache(tmp_path: Path, make_tar: Any, make_deb: Any, english: Prompts) -> None:
    debs = tmp_path / "debs"
    debs.mkdir()
    make_debs(debs, make_tree(tmp_path / "tree"), make_tar, make_deb)
    folder = english.locate(debs, tmp_path / "cache")
    assert everything(english, folder).keys() == TEXTS.keys()
    assert sorted(each.suffix for each in debs.iterdir()) == [".deb", ".deb"], "the user's folder is left as it was"


def fake_apt(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    (folder / "apt-get").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(prompts, "INSTALLED", tmp_path / "not here")


@pytest.mark.usefixtures("not_installed")
def test_fetch(tmp_path: Path, make_tar: Any, make_deb: Any, english: Prompts, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "store"
    store.mkdir()
    make_debs(store, make_tree(tmp_path / "tree"), make_tar, make_deb)
    fake_apt(tmp_path / "bin", f"echo run >> {tmp_path}/log; cp {store}/*.deb .", monkeypatch)
    folder = english.fetch(tmp_path / "cache")
    assert english.fetch(tmp_path / "cache") == folder
    assert everything(english, folder).keys() == TEXTS.keys()
    assert (tmp_path / "log").read_text() == "run\n"


@pytest.mark.usefixtures("not_installed")
@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo 'E: Unable to locate package x' >&2; exit 100", "apt-get: Unable to locate package x"),
        ("echo 'E: Failed to fetch it' >&2; exit 100", "apt-get: Failed to fetch it"),
        ("exit 3", "apt-get: ended with status 3"),
        ("exit 0", "apt-get downloaded no package of this name"),
    ],
)
def test_fetch_fails(tmp_path: Path, script: str, says: str, english: Prompts, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_apt(tmp_path / "bin", script, monkeypatch)
    with pytest.raises(FetchError, match=rf"{says}.*pass --corpus DIR with the .deb files, or install them"):
        english.fetch(tmp_path / "cache")


@pytest.mark.usefixtures("not_installed")
def test_fetch_without_apt(tmp_path: Path, english: Prompts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian.shutil, "which", lambda _: None)
    with pytest.raises(FetchError, match=r"apt-get: not found; .*pass --corpus DIR with the .deb files"):
        english.fetch(tmp_path / "cache")


def test_missing_package_lists_are_fetched_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container image, whose lists are removed: the second download has a list of its own."""
    script = """case "$*" in
        *update*) echo "$*" > "$LOG";;
        *Dir::State::lists=*download*) touch pkg_1_all.deb;;
        *) echo 'E: Unable to locate package pkg' >&2; exit 100;;
    esac"""
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    fake_apt(tmp_path / "bin", script, monkeypatch)
    assert debian.download(["pkg"], tmp_path / "cache", "") == [tmp_path / "cache/pkg_1_all.deb"]
    assert f"Dir::State::lists={tmp_path}/cache/.apt/lists" in (tmp_path / "log").read_text()
    assert [each.name for each in (tmp_path / "cache").iterdir()] == ["pkg_1_all.deb"]


def test_an_installed_copy_is_used(tmp_path: Path, english: Prompts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "INSTALLED", make_tree(tmp_path) / "usr")
    assert english.fetch(tmp_path / "cache") == tmp_path / "usr"
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            gzip.compress(b"one: One.\ntwo\nthree\n", mtime=0),
            "2: no colon in 'two'; expected 'name: text'\n.*3: no colon",
        ),
        (gzip.compress(b"one: \xff", mtime=0), "not readable: 'utf-8' codec"),
        (gzip.compress(LIST.encode(), mtime=0)[:50], "not readable"),
        (b"not gzip", "not readable"),
        (gzip.compress(b"; nothing\n", mtime=0), "no transcript of a recording"),
    ],
)
def test_faulty_lists(tmp_path: Path, content: bytes, says: str, english: Prompts) -> None:
    folder = make_tree(tmp_path)
    (folder / "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz").write_bytes(content)
    with pytest.raises(DstoolkitError, match=says):
        english.prepare(folder)


def test_no_tree(tmp_path: Path, english: Prompts) -> None:
    with pytest.raises(DataError, match="no Asterisk sounds for language 'en'"):
        english.prepare(tmp_path)


def test_keeps_the_contract(tmp_path: Path) -> None:
    """With its promise that no text is in two splits."""
    texts = list(itertools.permutations(["please", "press", "pound", "now", "again"]))
    folder = make_tree(tmp_path, text="\n".join(f"p{at}: {' '.join(words)}" for at, words in enumerate(texts)))
    for at in range(len(texts)):
        soundfile.write(folder / f"usr/share/asterisk/sounds/en_US_f_Allison/p{at}.wav", np.zeros(80), 8000)
    outcomes = {each.check: each for each in run_checks(Subject(Prompts, folder=folder))}
    assert not [each for each in outcomes.values() if each.status == "failed"]
    assert outcomes["texts_are_disjoint"].status == "ok"
