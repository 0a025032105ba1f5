"""``dstoolkit model push`` and ``pull``: storages of objects, and what a killed transfer leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.registry import _registry
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from dstoolkit.errors import FetchError
from dstoolkit.pipeline import exchange
from tests.conftest import ROOT

KILLED = """
import os, signal, sys
from pathlib import Path
from dstoolkit.pipeline import exchange
exchange.BLOCK = 4096
passed = []
def killed(size):
    passed.append(size)
    if len(passed) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "push":
    exchange.push(Path(sys.argv[2]), sys.argv[3], progress=killed)
else:
    exchange.pull(sys.argv[3], Path(sys.argv[2]), progress=killed)
"""


class Upload(AbstractBufferedFile):  # type: ignore[misc]
    """An object being written or read, in parts of ``blocksize``; it is there once its last part has come."""

    def _initiate_upload(self) -> None:
        self.parts: list[bytes] = []

    def _upload_chunk(self, final: bool = False) -> bool:
        self.buffer.seek(0)
        self.parts.append(self.buffer.read())
        if final:
            self.fs.objects[self.path] = b"".join(self.parts)
        return True

    def _fetch_range(self, start: int, end: int) -> bytes:
        return bytes(self.fs.objects[self.path][start:end])


class Objects(AbstractFileSystem):  # type: ignore[misc]
    """Stands for a storage of objects, as fsspec's filesystems of S3 and the Hub are: no renaming, no real folders."""

    cachable = False
    objects: ClassVar[dict[str, bytes]]
    denied = False

    def info(self, path: str, **more: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        if path in self.objects:
            return {"name": path, "size": len(self.objects[path]), "type": "file"}
        if any(each.startswith(f"{path}/") for each in self.objects):
            return {"name": path, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    def _open(self, path: str, mode: str = "rb", **more: Any) -> Upload:
        if self.denied:
            raise PermissionError("Access Denied")
        return Upload(self, path, mode, block_size=8192, cache_type="readahead")

    def mkdir(self, path: str, *more: Any, **options: Any) -> None:
        raise AssertionError("no folder is to be made in a storage of objects")

    makedirs = mkdir
    mv = mkdir


@pytest.fixture(params=["s3", "hf"])
def storage(request: pytest.FixtureRequest) -> Iterator[type[Objects]]:
    """A storage under the protocol, empty."""
    before = dict(_registry)
    made = type("Made", (Objects,), {"protocol": request.param, "objects": {}})
    fsspec.register_implementation(request.param, made, clobber=True)
    yield made
    _registry.clear()
    _registry.update(before)


@pytest.fixture
def packed(toys: Path, tmp_path: Path, dstoolkit: Any) -> Path:
    dstoolkit("model", "pack", toys / "exp", "--out", tmp_path / "toy.dstk", "--licence", "CC0-1.0")
    return tmp_path / "toy.dstk"


def test_there_and_back(storage: type[Objects], packed: Path, tmp_path: Path, dstoolkit: Any) -> None:
    url = f"{storage.protocol}://someone/models"
    assert dstoolkit("model", "push", packed, f"{url}/").output == f"{url}/toy.dstk: pushed\n"
    assert storage.objects == {"someone/models/toy.dstk": packed.read_bytes()}
    for again in (f"{url}/", url, f"{url}/toy.dstk"):
        assert "toy.dstk: is there already; pass --force" in dstoolkit("model", "push", packed, again, status=2).output
    dstoolkit("model", "push", packed, url, "--force")
    dstoolkit("model", "push", packed, f"{url}/other.dstk")
    assert set(storage.objects) == {"someone/models/toy.dstk", "someone/models/other.dstk"}
    dstoolkit("model", "pull", f"{url}/other.dstk", "--out", tmp_path / "back.dstk")
    assert (tmp_path / "back.dstk").read_bytes() == packed.read_bytes()
    assert f"{url}/none.dstk: not found" in dstoolkit("model", "pull", f"{url}/none.dstk", status=2).output
    assert f"{url}: is a folder" in dstoolkit("model", "pull", url, status=2).output


def test_an_object_that_was_altered_never_appears(
    storage: type[Objects], packed: Path, tmp_path: Path, dstoolkit: Any
) -> None:
    content = packed.read_bytes()
    storage.objects["a/b/toy.dstk"] = content[:-2000] + bytes(1000) + content[-1000:]
    dstoolkit("model", "pull", f"{storage.protocol}://a/b/toy.dstk", "--out", tmp_path / "x.dstk", status=2)
    assert not list(tmp_path.glob("*x.dstk*"))


def test_an_upload_that_breaks_makes_no_object(
    storage: type[Objects], packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "BLOCK", 10_000)  # so that some parts have gone when it breaks
    passed = []

    def broken(size: int) -> None:
        passed.append(size)
        if len(passed) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exchange.push(packed, f"{storage.protocol}://a/b/toy.dstk", progress=broken)
    assert storage.objects == {}


def test_what_the_storage_says_is_told(storage: type[Objects], packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "denied", True)
    with pytest.raises(FetchError, match=r"://a/b/toy.dstk: access denied; check the address"):
        exchange.push(packed, f"{storage.protocol}://a/b/toy.dstk")


@pytest.mark.parametrize("way", ["push", "pull"])
def test_a_killed_transfer_leaves_a_partial_that_the_next_replaces(
    way: str, packed: Path, tmp_path: Path, dstoolkit: Any
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "toy.dstk").write_bytes(packed.read_bytes())
    here, there = (source, target) if way == "push" else (target, source)
    words = [way, here / "toy.dstk", f"file://{there}/toy.dstk"]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, words)], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert [each.name for each in target.iterdir()] == [".toy.dstk.partial"]
    if way == "push":
        dstoolkit("model", "push", source / "toy.dstk", f"file://{target}/")
    else:
        dstoolkit("model", "pull", f"file://{source}/toy.dstk", "--out", target)
    assert [each.name for each in target.iterdir()] == ["toy.dstk"]
    assert (target / "toy.dstk").read_bytes() == packed.read_bytes()
