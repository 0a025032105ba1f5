"""FSDD on the real recordings, and fetched from a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dstoolkit.corpora.fsdd import Fsdd, FsddConfig
from dstoolkit.errors import ConfigError, DataError, DstoolkitError, FetchError

ROOT = "free-spoken-digit-dataset-1.0.10"
FILES = {
    f"{ROOT}/recordings/{digit}_{speaker}_{take}.wav": b"x"
    for digit in range(10)
    for speaker in ("ann",)
    for take in range(50)
}


@pytest.fixture
def corpus() -> Fsdd:
    return Fsdd(FsddConfig())


def test_real(corpora: Path, corpus: Fsdd) -> None:
    splits = corpus.prepare(corpora / "fsdd").splits
    assert {name: len(split) for name, split in splits.items()} == {"train": 2520, "dev": 180, "test": 300}
    takes = {name: {int(Path(each.path).stem.split("_")[2]) for each in split} for name, split in splits.items()}
    assert takes == {"test": set(range(5)), "dev": {5, 6, 7}, "train": set(range(8, 50))}
    assert {each.text for each in splits["test"] if "/7_" in each.path} == {"seven"}
    for split in splits.values():
        assert len({each.speaker for each in split}) == 6
        ids, speakers = [each.id for each in split], {each.id: each.speaker for each in split}
        assert [speakers[each] for each in sorted(ids)] == sorted(speakers.values()), (
            "sorted by id is sorted by speaker"
        )


def test_leaving_a_speaker_out(corpora: Path) -> None:
    splits = Fsdd(FsddConfig(leave_out="theo")).prepare(corpora / "fsdd").splits
    assert {name: len(split) for name, split in splits.items()} == {"train": 2350, "dev": 150, "test": 500}
    assert {each.speaker for each in splits["test"]} == {"theo"}
    others = {each.speaker for name in ("train", "dev") for each in splits[name]}
    assert others == {"george", "jackson", "lucas", "nicolas", "yweweler"}
    assert len({each.id for split in splits.values() for each in split}) == 3000


def test_leaving_out_nobody_there(corpora: Path) -> None:
    with pytest.raises(ConfigError, match=r"leave_out: speaker 'teo'; expected one of several: .*theo"):
        Fsdd(FsddConfig(leave_out="teo")).prepare(corpora / "fsdd")


@pytest.mark.parametrize("name", ["v1.0.10.tar.gz"])
def test_fetched(tmp_path: Path, server: Any, make_tar: Any, name: str) -> None:
    server.files[f"/{name}"] = make_tar(FILES)
    corpus = Fsdd(FsddConfig(url=server.url))
    splits = corpus.prepare(corpus.fetch(tmp_path)).splits
    assert {name: len(split) for name, split in splits.items()} == {"train": 420, "dev": 30, "test": 50}


def test_located_as_archive(tmp_path: Path, make_tar: Any, corpus: Fsdd) -> None:
    (tmp_path / f"{ROOT}.tar.gz").write_bytes(make_tar(FILES))
    assert corpus.locate(tmp_path, tmp_path / "cache") == tmp_path / "cache/fsdd"


def test_elsewhere(tmp_path: Path, corpus: Fsdd) -> None:
    with pytest.raises(FetchError, match="no FSDD here; expected recordings/"):
        corpus.locate(tmp_path, tmp_path / "cache")


def test_incomplete(tmp_path: Path, corpus: Fsdd) -> None:
    (tmp_path / "recordings").mkdir()
    with pytest.raises(DataError, match="no recordings"):
        corpus.prepare(tmp_path)
    for name in list(FILES)[1:]:
        (tmp_path / "recordings" / Path(name).name).write_bytes(b"x")
    (tmp_path / "recordings/9_bob_49.wav").write_bytes(b"x")
    says = "'ann': 1 of 500 recordings missing, such as '0_ann_0.wav'.*\n.*'bob': 499 of 500 .* such as '0_bob_0.wav'"
    with pytest.raises(DstoolkitError, match=says):
        corpus.prepare(tmp_path)
