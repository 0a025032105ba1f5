"""yesno on the real recordings, and fetched from a server."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from dstoolkit.corpora import yesno
from dstoolkit.corpora.yesno import YesNo, YesNoConfig
from dstoolkit.errors import DataError, FetchError

NAMES = [f"{number:08b}" for number in range(0, 240, 4)]  # 60 of them
FILES = {f"waves_yesno/{'_'.join(name)}.wav": name.encode() for name in NAMES} | {"waves_yesno/README": b"0_0"}


def make_tree(folder: Path) -> Path:
    (folder / "waves_yesno").mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def corpus() -> YesNo:
    return YesNo(YesNoConfig(ends=False))


def test_real(corpora: Path, corpus: YesNo) -> None:
    splits = corpus.prepare(corpus.locate(corpora / "yesno", corpora)).splits
    assert {name: len(split) for name, split in splits.items()} == {"train": 26, "dev": 5, "test": 29}
    everyone = sorted(each.id for split in splits.values() for each in split)
    assert sorted(each.id for each in splits["test"]) == everyone[31:], "Kaldi's test part"
    for each in (each for split in splits.values() for each in split):
        assert (
            (each.text or "").replace("yes", "1").replace("no", "0").replace(" ", "_")
            == each.id
            == Path(each.path).stem
        )


def test_ends_of_real_recordings(corpora: Path) -> None:
    corpus = YesNo(YesNoConfig())
    preparation = corpus.prepare(corpus.locate(corpora / "yesno", corpora))
    train = preparation.splits["train"]
    assert preparation.notes == [f"train has {len(train)} parts of 26"]
    assert not {each.path for each in train} & {
        each.path for name in ("dev", "test") for each in preparation.splits[name]
    }
    parts = [each for each in train if "-" in each.id]
    assert len(parts) >= 20 * 13, "the pauses of most recordings are told"
    for each in parts:
        words, (at, alone) = each.recording.split("_"), re.fullmatch(r".*-(\d)(w?)", each.id).groups()  # type: ignore[union-attr]
        wanted = words[int(at) : int(at) + 1] if alone else words[int(at) :]
        assert (each.text or "").split() == [yesno.WORDS[digit] for digit in wanted]
        assert each.end is None or 0.2 < each.end - each.start < 2
    leading = [each for each in parts if each.id.endswith("-0w")]
    assert len(leading) >= 20
    assert all(each.start == 0 for each in leading), "the silence before the first word is heard too"
    first = [(each.text or "").split()[0] for each in parts]
    assert 0.3 < first.count("yes") / len(first) < 0.7


def test_fetched(tmp_path: Path, server: Any, make_tar: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_tar(FILES)
    server.files["/1/waves_yesno.tar.gz"] = archive
    monkeypatch.setattr(yesno, "CHECKSUM", f"sha256:{hashlib.sha256(archive).hexdigest()}")
    corpus = YesNo(YesNoConfig(url=server.url, ends=False))
    splits = corpus.prepare(corpus.fetch(tmp_path)).splits
    assert sum(map(len, splits.values())) == 60
    corpus.fetch(tmp_path)
    assert len(server.asked) == 1


def test_another_file_at_the_address_is_refused(tmp_path: Path, server: Any, make_tar: Any) -> None:
    server.files["/1/waves_yesno.tar.gz"] = make_tar(FILES)
    with pytest.raises(FetchError, match="expected sha256:c3f49e0cca42"):
        YesNo(YesNoConfig(url=server.url, ends=False)).fetch(tmp_path)


@pytest.mark.parametrize("place", [".", "waves_yesno"])
def test_located(tmp_path: Path, place: str, corpus: YesNo) -> None:
    folder = make_tree(tmp_path) / place
    assert corpus.locate(folder, tmp_path / "cache") == folder


def test_located_as_archive(tmp_path: Path, make_tar: Any, corpus: YesNo) -> None:
    (tmp_path / "waves_yesno.tar.gz").write_bytes(make_tar(FILES))
    assert corpus.locate(tmp_path, tmp_path / "cache") == tmp_path / "cache/yesno"


def test_elsewhere(tmp_path: Path, corpus: YesNo) -> None:
    with pytest.raises(FetchError, match="no yesno here; expected waves_yesno/"):
        corpus.locate(tmp_path, tmp_path / "cache")


def test_incomplete(tmp_path: Path, corpus: YesNo) -> None:
    next((make_tree(tmp_path) / "waves_yesno").glob("*.wav")).unlink()
    with pytest.raises(DataError, match="59 recordings; expected 60"):
        corpus.prepare(tmp_path)
