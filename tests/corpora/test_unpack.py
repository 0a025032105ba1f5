"""Unpacking: what is in the archive arrives, what would leave the folder does not, and nothing is ever there half."""

from __future__ import annotations

import io
import random
import shutil
import stat
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from dstoolkit.corpora import unpack as unpacking
from dstoolkit.corpora.unpack import fetched, unpack
from dstoolkit.errors import FetchError

FILES = {"corpus/wav/a.wav": b"RIFF" * 1000, "corpus/text": "ünï\n".encode(), "corpus/empty": b""}


def zip_bytes(files: dict[str, bytes], mode: int = 0) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            archive.writestr(member, content)
    return out.getvalue()


def tar_of(*members: tuple[str, bytes, str]) -> bytes:
    """``(name, type, link)`` members, files of one byte."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, kind, link in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            member.size = 1 if kind == tarfile.REGTYPE else 0
            tar.addfile(member, io.BytesIO(b"x"))
    return out.getvalue()


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:bz2", "w:xz"])
def test_tar(tmp_path: Path, mode: str, make_tar: Any, read_tree: Any) -> None:
    unpack(put(tmp_path / "a", make_tar(FILES, mode)), tmp_path / "out")
    assert read_tree(tmp_path / "out") == FILES


def test_zip(tmp_path: Path, read_tree: Any) -> None:
    unpack(put(tmp_path / "a.zip", zip_bytes(FILES)), tmp_path / "out")
    assert read_tree(tmp_path / "out") == FILES


@pytest.mark.parametrize(("member", "mode"), [("data.tar.xz", "w:xz"), ("data.tar.gz", "w:gz"), ("data.tar", "w:")])
def test_deb(tmp_path: Path, member: str, mode: str, make_deb: Any, make_tar: Any, read_tree: Any) -> None:
    dotted = {f"./{name}": content for name, content in FILES.items()}
    unpack(put(tmp_path / "a.deb", make_deb(make_tar(dotted, mode), member)), tmp_path / "out")
    assert read_tree(tmp_path / "out") == FILES


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="no dpkg-deb here")
@pytest.mark.parametrize("compression", ["xz", "gzip", "zstd"])
def test_deb_as_dpkg_makes_it(tmp_path: Path, compression: str, read_tree: Any) -> None:
    package = tmp_path / "package"
    (package / "DEBIAN").mkdir(parents=True)
    (package / "DEBIAN/control").write_text(
        "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x\nDescription: x\n"
    )
    (package / "usr/share").mkdir(parents=True)
    (package / "usr/share/a").write_bytes(b"a" * 999)
    deb = tmp_path / "x.deb"
    subprocess.run(["dpkg-deb", f"-Z{compression}", "--build", package, deb], check=True, capture_output=True)
    unpack(deb, tmp_path / "out")
    assert read_tree(tmp_path / "out") == {"usr/share/a": b"a" * 999}


def test_deb_in_zstd_without_dpkg(tmp_path: Path, make_deb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking.shutil, "which", lambda _: None)
    with pytest.raises(FetchError, match="compressed with zstd; install dpkg"):
        unpack(put(tmp_path / "a.deb", make_deb(b"", "data.tar.zst")), tmp_path / "out")


def test_links_within_arrive_and_dangling_ones_do_not(tmp_path: Path) -> None:
    content = tar_of(
        ("d/link", tarfile.SYMTYPE, "file"),
        ("d/dangling", tarfile.SYMTYPE, "nothing"),
        ("d/file", tarfile.REGTYPE, ""),
        ("hard", tarfile.LNKTYPE, "d/file"),
    )
    out = unpack(put(tmp_path / "a", content), tmp_path / "out")
    assert (out / "d/link").readlink() == Path("file")
    assert (out / "hard").read_bytes() == b"x"
    assert not (out / "d/dangling").is_symlink()


REG, SYM, LNK = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
EVIL = {
    "parent": [("../evil", REG, "")],
    "parent inside": [("a/b/../../../evil", REG, "")],
    "absolute": [("/tmp/evil", REG, "")],
    "backslash": [("..\\evil", REG, "")],
    "folder": [("../evil/", tarfile.DIRTYPE, "")],
    "link out": [("a", SYM, "../evil")],
    "absolute link": [("a", SYM, "/etc/passwd")],
    "absolute link inside": [("a", SYM, "{root}/b"), ("b", REG, "")],
    "link out in two steps": [("d/x", REG, ""), ("d/l", SYM, ".."), ("m", SYM, "d/l/../evil")],
    "write through a link": [("a", SYM, ".."), ("a/evil", REG, "")],
    "write through a link to a folder": [("a", SYM, "{root}/.."), ("a/evil", REG, "")],
    "hard link out": [("a", LNK, "../evil")],
    "hard link to a link": [("a", SYM, "/etc/passwd"), ("b", LNK, "a")],
    "link to itself": [("a", SYM, "a")],
    "device": [("a", tarfile.CHRTYPE, "")],
    "pipe": [("a", tarfile.FIFOTYPE, "")],
}


@pytest.mark.parametrize("name", EVIL)
def test_nothing_leaves_the_folder(tmp_path: Path, name: str) -> None:
    box = tmp_path / "box"
    box.mkdir()
    (box / "evil").write_bytes(b"before")
    members = [("good", REG, ""), *((a, kind, link.format(root=box / "out")) for a, kind, link in EVIL[name])]
    archive = put(tmp_path / "a", tar_of(*members))
    with pytest.raises(FetchError, match=str(archive)):
        unpack(archive, box / "out")
    assert [each.name for each in box.iterdir()] == ["evil"], "nothing unpacked, nothing half"
    assert (box / "evil").read_bytes() == b"before"


@pytest.mark.parametrize(("name", "mode"), [("../evil", 0), ("/evil", 0), ("a", stat.S_IFLNK | 0o777)])
def test_nothing_leaves_the_folder_from_zip(tmp_path: Path, name: str, mode: int) -> None:
    box = tmp_path / "box"
    box.mkdir()
    with pytest.raises(FetchError, match="holds"):
        unpack(put(tmp_path / "a", zip_bytes({name: b"../evil"}, mode)), box / "out")
    assert list(box.iterdir()) == []


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zip", "deb"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_cut_short(tmp_path: Path, kind: str, kept: float, make_tar: Any, make_deb: Any) -> None:
    noise = {"noise": random.Random(0).randbytes(50_000)}
    if kind == "zip":
        content = zip_bytes(noise)
    else:
        content = make_tar(noise, f"w:{'xz' if kind == 'deb' else kind}")
        content = make_deb(content) if kind == "deb" else content
    archive = put(tmp_path / "a", content[: int(len(content) * kept)])
    with pytest.raises(FetchError, match="damaged"):
        unpack(archive, tmp_path / "out")
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK nonsense", b"!<arch>\nnonsense"])
def test_not_an_archive(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(FetchError, match="damaged"):
        unpack(put(tmp_path / "a", content), tmp_path / "out")


def test_no_archive(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="no such file"):
        unpack(tmp_path / "a", tmp_path / "out")


def test_no_space(tmp_path: Path, make_tar: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(unpacking.shutil, "copyfileobj", full)
    with pytest.raises(FetchError, match="no space left on device; free some space"):
        unpack(put(tmp_path / "a", make_tar(FILES)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_twice_is_once_and_another_archive_is_unpacked(tmp_path: Path, make_tar: Any, read_tree: Any) -> None:
    archive = put(tmp_path / "a", make_tar(FILES))
    out = unpack(archive, tmp_path / "out")
    (out / "corpus/text").write_text("mine")
    unpack(archive, out)
    assert (out / "corpus/text").read_text() == "mine"
    put(archive, make_tar({"other": b"content"}))
    assert read_tree(unpack(archive, out)) == {"other": b"content"}


def test_fetched_needs_the_archive_no_more(tmp_path: Path, server: Any, make_tar: Any) -> None:
    server.files["/a.tar.gz"] = make_tar(FILES)
    arguments = (f"{server.url}/a.tar.gz", tmp_path / "a.tar.gz", "", tmp_path / "out")
    fetched(*arguments)
    (tmp_path / "a.tar.gz").unlink()
    assert (fetched(*arguments) / "corpus/text").exists()
    assert len(server.asked) == 1
