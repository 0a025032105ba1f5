"""LibriSpeech on a small tree of its layout, served from the loopback."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from dstoolkit.corpora import fetch, librispeech
from dstoolkit.corpora.librispeech import LibriSpeech, LibriSpeechConfig
from dstoolkit.errors import DataError, DstoolkitError, FetchError

READERS = {"train-clean-5": ("84", "840"), "dev-clean-2": ("17",), "test-clean": ("61",)}


def flac() -> bytes:
    out = io.BytesIO()
    noise = np.random.default_rng(0).normal(0, 0.1, 1600).astype(np.float32)
    soundfile.write(out, noise, 16000, format="FLAC")
    return out.getvalue()


def part_files(part: str) -> dict[str, bytes]:
    files = {"LibriSpeech/LICENSE.TXT": b"CC BY 4.0"}
    for reader in READERS[part]:
        for chapter in ("101", "99"):
            names = [f"{reader}-{chapter}-{number:04}" for number in range(3)]
            folder = f"LibriSpeech/{part}/{reader}/{chapter}"
            files |= {f"{folder}/{name}.flac": flac() for name in names}
            texts = "".join(f"{name} DON'T STOP {number}\n" for number, name in zip("ABC", names, strict=True))
            files[f"{folder}/{reader}-{chapter}.trans.txt"] = texts.encode()
    return files


@pytest.fixture
def archives(make_tar: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The archives of size mini, their checksums where OpenSLR's would be."""
    made = {part: make_tar(part_files(part)) for part in READERS}
    numbers = {part: number for part, (number, _) in librispeech.PARTS.items()}
    monkeypatch.setattr(
        librispeech, "PARTS", {part: (numbers[part], hashlib.md5(made[part]).hexdigest()) for part in made}
    )
    return made


@pytest.fixture
def corpus(server: Any, archives: dict[str, bytes]) -> LibriSpeech:
    number = {"train-clean-5": 31, "dev-clean-2": 31, "test-clean": 12}
    server.files = {f"/{number[part]}/{part}.tar.gz": content for part, content in archives.items()}
    return LibriSpeech(LibriSpeechConfig(url=server.url))


def write_tree(folder: Path) -> Path:
    for part in READERS:
        for name, content in part_files(part).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    return folder


def check_splits(corpus: LibriSpeech, folder: Path) -> None:
    splits = corpus.prepare(folder).splits
    assert {name: len(split) for name, split in splits.items()} == {"train": 12, "dev": 6, "test": 6}
    texts = {each.id: each.text for each in splits["train"]}
    assert texts["84-101-0001"] == "don't stop b"
    assert {each.speaker for each in splits["train"]} == {"84", "840"}
    assert all(Path(each.path).is_file() for split in splits.values() for each in split)


def test_fetched(corpus: LibriSpeech, tmp_path: Path, server: Any) -> None:
    folder = corpus.fetch(tmp_path)
    check_splits(corpus, folder)
    assert [each["path"] for each in server.asked] == [
        "/31/train-clean-5.tar.gz",
        "/31/dev-clean-2.tar.gz",
        "/12/test-clean.tar.gz",
    ]
    assert not list(tmp_path.glob("*.tar.gz")), "not kept once unpacked"
    corpus.fetch(tmp_path)
    assert len(server.asked) == 3, "fetched once"


def test_archives_are_kept_if_told_to(corpus: LibriSpeech, tmp_path: Path) -> None:
    LibriSpeech(LibriSpeechConfig(url=corpus.config.url, keep=True)).fetch(tmp_path)
    assert len(list(tmp_path.glob("*.tar.gz"))) == 3


def test_interrupted_in_a_part_and_gone_on_with(
    corpus: LibriSpeech, tmp_path: Path, server: Any, archives: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    half = len(archives["dev-clean-2"]) // 2
    server.drops = [len(archives["train-clean-5"]), half]
    with monkeypatch.context() as once:
        once.setattr(fetch, "ATTEMPTS", 1)
        with pytest.raises(FetchError, match="the same command"):
            corpus.fetch(tmp_path)
    assert (tmp_path / "dev-clean-2.tar.gz.part").stat().st_size == half
    check_splits(corpus, corpus.fetch(tmp_path))
    assert server.sent == sum(map(len, archives.values())), "no byte came twice"
    assert server.asked[2]["Range"] == f"bytes={half}-"


def test_a_wrong_checksum(corpus: LibriSpeech, tmp_path: Path, server: Any, archives: dict[str, bytes]) -> None:
    server.files["/31/dev-clean-2.tar.gz"] = archives["test-clean"]
    with pytest.raises(FetchError, match="expected md5:"):
        corpus.fetch(tmp_path)
    assert not list(tmp_path.glob("dev-clean-2*")), "deleted"
    server.files["/31/dev-clean-2.tar.gz"] = archives["dev-clean-2"]
    check_splits(corpus, corpus.fetch(tmp_path))


@pytest.mark.parametrize("place", [".", "LibriSpeech"])
def test_located(corpus: LibriSpeech, tmp_path: Path, place: str) -> None:
    folder = write_tree(tmp_path) / place
    check_splits(corpus, corpus.locate(folder, tmp_path / "cache"))


def test_located_as_archives(corpus: LibriSpeech, tmp_path: Path, archives: dict[str, bytes]) -> None:
    for part, content in archives.items():
        (tmp_path / f"{part}.tar.gz").write_bytes(content)
    check_splits(corpus, corpus.locate(tmp_path, tmp_path / "cache"))


def test_a_part_is_missing(corpus: LibriSpeech, tmp_path: Path) -> None:
    with pytest.raises(
        FetchError, match="no 'train-clean-5' here; expected all of train-clean-5, dev-clean-2, test-clean"
    ):
        corpus.locate(tmp_path, tmp_path / "cache")
    with pytest.raises(DstoolkitError, match=r"no part 'train-clean-5'.*\n.*no part 'dev-clean-2'"):
        corpus.prepare(tmp_path)


@pytest.mark.parametrize("size", ["100", 100])
def test_sizes_are_words_or_numbers(size: Any) -> None:
    corpus = LibriSpeech(LibriSpeechConfig(size=size))
    assert corpus.parts == ["train-clean-100", "dev-clean", "test-clean", "test-other"]


def test_openslr_has_every_part_of_every_size() -> None:
    parts = {part for splits in librispeech.SIZES.values() for names in splits.values() for part in names}
    assert parts == set(librispeech.PARTS)
    assert all(len(md5) == 32 for _, md5 in librispeech.PARTS.values())


def test_faults_come_together(corpus: LibriSpeech, tmp_path: Path) -> None:
    chapter = write_tree(tmp_path) / "LibriSpeech/train-clean-5/84/101"
    (chapter / "84-101-0000.flac").unlink()
    (chapter / "84-101-0009.flac").write_bytes(flac())
    text = chapter / "84-101.trans.txt"
    text.write_text(text.read_text().replace(" DON'T STOP C", ""))
    with pytest.raises(DstoolkitError) as caught:
        corpus.prepare(tmp_path)
    said = str(caught.value)
    assert "84-101.trans.txt:1: no recording '84-101-0000.flac'" in said
    assert "84-101.trans.txt:3: no text in '84-101-0002'" in said
    assert "84-101.trans.txt: no text of '84-101-0009.flac'" in said


def test_an_archive_of_something_else(corpus: LibriSpeech, tmp_path: Path, archives: Any, make_tar: Any) -> None:
    for part in archives:
        (tmp_path / f"{part}.tar.gz").write_bytes(make_tar({"other": b"x"}))
    with pytest.raises(FetchError, match="holds no LibriSpeech/train-clean-5"):
        corpus.locate(tmp_path, tmp_path / "cache")


def test_texts_are_of_known_encoding(corpus: LibriSpeech, tmp_path: Path) -> None:
    text = write_tree(tmp_path) / "LibriSpeech/train-clean-5/84/101/84-101.trans.txt"
    text.write_bytes(b"84-101-0000 \xff\n")
    with pytest.raises(DataError, match="not UTF-8"):
        corpus.prepare(tmp_path)
