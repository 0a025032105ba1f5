"""``dstoolkit corpus`` as it is typed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dstoolkit import stamp
from dstoolkit.corpora import preparation
from dstoolkit.data import validate
from dstoolkit.data.datadir import DataDir

SPLITS = ("train", "dev", "test")
Run = Callable[..., Any]


@pytest.fixture
def yesno(corpora: Path) -> Path:
    return corpora / "yesno"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_list_names_source_licence_and_options(dstoolkit: Run) -> None:
    said = dstoolkit("corpus", "list").output
    for name in ("an4", "fsdd", "librispeech", "prompts", "yesno"):
        assert f"\n{name}: " in f"\n{said}"
    assert "OpenSLR 1, www.openslr.org/1; Apache-2.0" in said
    assert "--set lang=en" in said


def test_prepare(dstoolkit: Run, yesno: Path, tmp_path: Path) -> None:
    said = dstoolkit("corpus", "prepare", "yesno", "--corpus", yesno, "--out", tmp_path / "data").output
    assert f"{tmp_path}/data/train: 351 utterances, 1 speaker, " in said
    assert "train has 351 parts of 26" in said
    for split in SPLITS:
        assert validate.check(tmp_path / "data" / split).faults == []
    assert len(DataDir.read(tmp_path / "data/test").utterances) == 29


def test_twice_is_once(dstoolkit: Run, yesno: Path, tmp_path: Path) -> None:
    arguments = ("corpus", "prepare", "yesno", "--corpus", yesno, "--out", tmp_path)
    dstoolkit(*arguments)
    before = {split: (tmp_path / split).stat().st_mtime_ns for split in SPLITS}
    assert dstoolkit(*arguments).output.count(": already done\n") == 3
    assert {split: (tmp_path / split).stat().st_mtime_ns for split in SPLITS} == before


def test_prepared_twice_is_the_same(dstoolkit: Run, yesno: Path, tmp_path: Path) -> None:
    for out in ("one", "two"):
        dstoolkit("corpus", "prepare", "yesno", "--corpus", yesno, "--out", tmp_path / out)
    for split in SPLITS:
        assert contents(tmp_path / "one" / split) == contents(tmp_path / "two" / split)


def test_cepstra(dstoolkit: Run, corpora: Path, tmp_path: Path) -> None:
    said = dstoolkit(
        "corpus", "prepare", "an4", "--corpus", corpora / "an4", "--out", tmp_path, "--set", "form=mfc"
    ).output
    assert f"{tmp_path}/test: 107 utterances, 9 speakers\n" in said
    assert "minutes of cepstra" in said
    assert DataDir.read(tmp_path / "test").source == "feats.scp"


def test_other_options_are_refused_unless_forced(dstoolkit: Run, yesno: Path, tmp_path: Path) -> None:
    arguments = ("corpus", "prepare", "yesno", "--corpus", yesno, "--out", tmp_path)
    dstoolkit(*arguments)
    other = (*arguments, "--set", "url=http://mirror")
    said = dstoolkit(*other, status=2).output
    assert (
        "train: was made differently: options.url was 'https://www.openslr.org/resources', now 'http://mirror'" in said
    )
    assert "pass --force" in said
    assert "already done" not in dstoolkit(*other, "--force").output


def test_what_is_missing_is_made_again(dstoolkit: Run, yesno: Path, tmp_path: Path) -> None:
    arguments = ("corpus", "prepare", "yesno", "--corpus", yesno, "--out", tmp_path)
    dstoolkit(*arguments)
    whole = contents(tmp_path / "dev")
    stamp.remove(tmp_path / "dev")
    assert dstoolkit(*arguments).output.count("already done") == 2
    assert contents(tmp_path / "dev") == whole


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("prepare", "yesnoo", "--out", "o"), "no corpus 'yesnoo' (have: an4, fsdd,"),
        (
            ("prepare", "yesno", "--out", "o", "--set", "urll=x"),
            "corpus yesno: urll: no such option; did you mean 'url'?",
        ),
        (
            ("prepare", "prompts", "--out", "o", "--set", "lang=de"),
            "lang: 'de'; expected one of 'en', 'es'",
        ),
        (("prepare", "librispeech", "--out", "o", "--set", "size=10"), "size: 10; expected one of 'mini', '100'"),
        (("prepare", "yesno", "--out", "o", "--corpus", "nowhere"), "--corpus: no folder 'nowhere'"),
        (("prepare", "yesno", "--out", "o", "--corpus", "."), "no yesno here; expected waves_yesno/"),
        (
            ("fetch", "yesno", "--cache", "c", "--set", "url=http://127.0.0.1:9"),
            "cannot be reached: connection refused",
        ),
        (("fetch", "yesno", "--cache", "c", "--set", "url=ftp://x"), "not an http or https address"),
    ],
)
def test_mistakes(
    dstoolkit: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = dstoolkit("corpus", *arguments, status=2).output
    assert says in said
    assert not (tmp_path / "o").exists()


def test_a_corrupt_recording_leaves_nothing(dstoolkit: Run, yesno: Path, tmp_path: Path) -> None:
    waves = tmp_path / "waves_yesno"
    waves.mkdir()
    for path in (yesno / "waves_yesno").glob("*.wav"):
        (waves / path.name).symlink_to(path)
    broken = sorted(waves.iterdir())[40]
    broken.unlink()
    broken.write_bytes(b"not a recording")
    said = dstoolkit("corpus", "prepare", "yesno", "--corpus", tmp_path, "--out", tmp_path / "data", status=2).output
    assert broken.name in said
    assert not (tmp_path / "data").exists()


def test_no_space_leaves_nothing(dstoolkit: Run, yesno: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", "text")

    monkeypatch.setattr(preparation.datadir.stamp, "write_text", full)
    said = dstoolkit("corpus", "prepare", "yesno", "--corpus", yesno, "--out", tmp_path / "data", status=2).output
    assert "no space left on device" in said
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_interrupted_and_gone_on_with(
    dstoolkit: Run, yesno: Path, tmp_path: Path, sent: signal.Signals, status: int
) -> None:
    """A signal while 'dev' is being written: 'train' is there whole, 'dev' not at all; the next run finishes."""
    code = (
        "import sys, time; from dstoolkit.corpora import preparation; from dstoolkit.cli import main\n"
        "write = preparation.datadir.write\n"
        "def slow(folder, *rest):\n"
        "    write(folder, *rest)\n"
        "    if folder.name == '.dev.partial': print('now', flush=True); time.sleep(60)\n"
        "preparation.datadir.write = slow\n"
        "main.main(sys.argv[1:])\n"
    )
    arguments = ["corpus", "prepare", "yesno", "--corpus", str(yesno), "--out", str(tmp_path)]
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"now\n"
        time.sleep(0.05)
        os.kill(run.pid, sent)
        assert run.wait(20) == status
    assert validate.check(tmp_path / "train").faults == []
    assert not (tmp_path / "dev").exists()
    assert dstoolkit(*arguments).output.count("already done") == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["dev", "test", "train"]
