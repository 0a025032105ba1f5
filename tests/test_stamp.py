"""Outputs are finished or absent, and say what made them."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstoolkit import stamp
from dstoolkit.errors import StampError
from dstoolkit.stamp import Stamp

MADE = Stamp("train", {"lr": 0.1, "sizes": [1, 2]}, {"data": "abc"})


def make(output: Path, text: str = "content", made: Stamp = MADE) -> None:
    with stamp.building(output, made) as partial:
        (partial / "text").write_text(text)


def make_file(output: Path, text: str = "content", made: Stamp = MADE) -> None:
    with stamp.building(output, made, folder=False) as partial:
        partial.write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_a_folder_appears_with_its_stamp(tmp_path: Path) -> None:
    output = tmp_path / "deep" / "out"
    assert not stamp.is_done(output, MADE)
    make(output)
    assert names(output) == ["stamp.json", "text"]
    assert names(output.parent) == ["out"]
    assert stamp.read(output) == MADE
    assert stamp.is_done(output, MADE)


def test_a_file_appears_with_its_stamp_beside(tmp_path: Path) -> None:
    make_file(tmp_path / "out.h5")
    assert names(tmp_path) == ["out.h5", "out.h5.stamp.json"]
    assert stamp.is_done(tmp_path / "out.h5", MADE)


def test_without_a_stamp_none_is_written(tmp_path: Path) -> None:
    with stamp.building(tmp_path / "folder") as partial:
        (partial / "text").write_text("content")
    with stamp.building(tmp_path / "file", folder=False) as partial:
        partial.write_text("content")
    assert names(tmp_path) == ["file", "folder"]
    assert names(tmp_path / "folder") == ["text"]


def test_a_file_whose_stamp_never_came_is_absent(tmp_path: Path) -> None:
    make_file(tmp_path / "out")
    (tmp_path / "out.stamp.json").unlink()
    assert not stamp.is_done(tmp_path / "out", MADE)


def test_tuples_and_lists_are_the_same_configuration(tmp_path: Path) -> None:
    make(tmp_path / "out")
    assert stamp.is_done(tmp_path / "out", Stamp("train", {"lr": 0.1, "sizes": (1, 2)}, {"data": "abc"}))


@pytest.mark.parametrize(
    ("other", "line"),
    [
        (Stamp("decode", MADE.config, MADE.inputs), "command was 'train', now 'decode'"),
        (Stamp("train", {"lr": 0.2, "sizes": [1, 2]}, MADE.inputs), "lr was 0.1, now 0.2"),
        (Stamp("train", {"sizes": [1, 2]}, MADE.inputs), "lr was 0.1, now absent"),
        (Stamp("train", {"lr": 0.1, "sizes": [1, 2], "a": {"b": 1}}, MADE.inputs), "a.b was absent, now 1"),
        (Stamp("train", MADE.config, {"data": "abd"}), "input 'data' has changed"),
        (Stamp("train", MADE.config, {"data": "abc", "more": "x"}), "input 'more' has changed"),
    ],
)
def test_another_stamp_is_refused_by_name(tmp_path: Path, other: Stamp, line: str) -> None:
    output = tmp_path / "out"
    make(output)
    with pytest.raises(StampError) as caught:
        stamp.is_done(output, other)
    assert str(caught.value) == f"{output}: was made differently: {line}; pass --force to make it anew"
    assert not stamp.is_done(output, other, force=True)


def test_many_differences_are_counted(tmp_path: Path) -> None:
    make(tmp_path / "out", made=Stamp("x", {f"k{at}": at for at in range(7)}))
    with pytest.raises(StampError, match=r"k3 was 3, now absent and 3 more; pass --force"):
        stamp.is_done(tmp_path / "out", Stamp("x"))


def test_differences_within_lists_are_named_by_their_places() -> None:
    """Of a network's layers, say, only the one that is another."""
    layers = [{"dense": {"size": 8}}, {"merge": ["a", "b"]}, "flatten"]
    found, wanted = Stamp("x", {"layers": layers}), Stamp("x", {"layers": [{"dense": {"size": 9}}, *layers[1:]]})
    assert stamp.differences(found, wanted) == ["layers[0].dense.size was 8, now 9"]
    assert stamp.differences(found, Stamp("x", {"layers": layers[:2]})) == ["layers[2] was 'flatten', now absent"]
    assert stamp.differences(found, Stamp("x", {"layers": list(layers)})) == []


def test_a_folder_of_someone_elses_is_refused_but_an_empty_one_is_not(tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    assert not stamp.is_done(output, MADE)
    (output / "notes").write_text("mine")
    with pytest.raises(StampError, match="exists and has no stamp; move it away or pass --force"):
        stamp.is_done(output, MADE)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"command": 1}', "\x00"])
def test_a_stamp_that_is_none(tmp_path: Path, text: str) -> None:
    make(tmp_path / "out")
    (tmp_path / "out" / "stamp.json").write_text(text)
    with pytest.raises(StampError, match="not a stamp"):
        stamp.is_done(tmp_path / "out", MADE)


@pytest.mark.parametrize("build", [make, make_file])
@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_build_leaves_what_was_there(tmp_path: Path, build, interruption) -> None:
    output = tmp_path / "out"
    build(output, "old")
    before = {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}

    def interrupted() -> None:
        with stamp.building(output, Stamp("new"), folder=build is make) as partial:
            (partial / "text" if build is make else partial).write_text("new")
            raise interruption

    with pytest.raises(interruption):
        interrupted()
    assert {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()} == before
    assert stamp.is_done(output, MADE)


def test_an_old_folder_comes_back_when_the_new_cannot_be_renamed(tmp_path: Path, monkeypatch) -> None:
    output = tmp_path / "out"
    make(output, "old")
    rename = os.replace

    def failing(source: Path, target: Path) -> None:
        if Path(source).name.endswith(".partial") and target == output:
            raise OSError(errno.EIO, "Input/output error", str(target))
        rename(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="Input/output error"):
        make(output, "new")
    assert (output / "text").read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_a_rebuilt_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    output = tmp_path / "out"
    make(output)
    (output / "extra").write_text("stale")
    make(output, "new", Stamp("new"))
    assert names(output) == ["stamp.json", "text"]
    assert (output / "text").read_text() == "new"


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "half").write_text("half")
    (tmp_path / ".out.old").mkdir()
    make(tmp_path / "out")
    make(tmp_path / "out", made=Stamp("again"))
    assert names(tmp_path) == ["out"]


def test_a_full_disk_names_the_output(tmp_path: Path) -> None:

    def fill() -> None:
        with stamp.building(tmp_path / "out", MADE) as partial:
            (partial / "sink").symlink_to("/dev/full")
            (partial / "sink").write_text("x")

    with pytest.raises(OSError, match="No space left") as caught:
        fill()
    assert caught.value.filename == str(tmp_path / "out")
    assert names(tmp_path) == []


def test_text_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch) -> None:
    stamp.write_text(tmp_path / "a", "old \u00e9\n")
    assert (tmp_path / "a").read_bytes() == "old é\n".encode()

    def failing(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match="No space left") as caught:
        stamp.write_text(tmp_path / "a", "new")
    assert caught.value.filename == str(tmp_path / "a")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old é\n"


@given(st.dictionaries(st.sampled_from("abcd"), st.binary(max_size=4), max_size=4), st.data())
def test_a_folders_digest_is_of_its_names_and_bytes(tmp_path_factory, files: dict[str, bytes], data) -> None:
    def folder(contents: dict[str, bytes]) -> Path:
        made = tmp_path_factory.mktemp("digest")
        for name in data.draw(st.permutations(sorted(contents))):
            (made / name).write_bytes(contents[name])
        return made

    other = data.draw(st.dictionaries(st.sampled_from("abcd"), st.binary(max_size=4), max_size=4))
    assert (stamp.digest(folder(files)) == stamp.digest(folder(other))) == (files == other)


def test_the_digest_of_a_file_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")  # the first example of FIPS 180-2, appendix B
    assert stamp.digest(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_folders_digest_overlooks_what_killed_runs_left(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a")
    before = stamp.digest(tmp_path)
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "half").write_text("half")
    (tmp_path / ".text.old").write_text("old")
    assert stamp.digest(tmp_path) == before


REWRITER = """
import sys, pathlib
from dstoolkit import stamp
folder, made = pathlib.Path(sys.argv[1]), None
print("ready", flush=True)
for turn in range(int(sys.argv[2])):
    made = stamp.Stamp("turn", {"turn": turn})
    with stamp.building(folder / "out", made) as partial:
        for name in "abc":
            (partial / name).write_text(str(turn) * 1000)
    with stamp.building(folder / "file", made, folder=False) as partial:
        partial.write_text(str(turn) * 1000)
"""


def whole(folder: Path) -> None:
    """What stands under a finished name agrees with itself and with its stamp."""
    found = stamp.read(folder / "out")
    if found is not None:
        expected = str(found.config["turn"]) * 1000
        assert [(folder / "out" / name).read_text() for name in "abc"] == [expected] * 3
    found = stamp.read(folder / "file")
    if found is not None:
        assert (folder / "file").read_text() == str(found.config["turn"]) * 1000


def test_killed_anywhere_outputs_are_whole_and_the_next_run_finishes(tmp_path: Path) -> None:
    delays = random.Random(0)
    for _ in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", REWRITER, tmp_path, "1000000"], stdout=subprocess.PIPE, cwd=tmp_path
        )
        assert process.stdout
        process.stdout.readline()
        time.sleep(delays.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        whole(tmp_path)
    subprocess.run([sys.executable, "-c", REWRITER, tmp_path, "3"], check=True, cwd=tmp_path, stdout=subprocess.DEVNULL)
    whole(tmp_path)
    assert names(tmp_path) == ["file", "file.stamp.json", "out"]
    assert json.loads((tmp_path / "file.stamp.json").read_text())["config"] == {"turn": 2}


def test_origin_is_the_stamp_of_a_file_that_has_one(tmp_path: Path) -> None:
    path = tmp_path / "features.h5"
    path.write_bytes(b"content")
    assert stamp.origin(path) == stamp.digest(path)
    stamp.write(path, stamp.Stamp("make", {"size": 1}))
    before = stamp.origin(path)
    assert before == stamp.digest(stamp.stamp_path(path)) != stamp.digest(path)
    stamp.write(path, stamp.Stamp("make", {"size": 2}))
    assert stamp.origin(path) != before
