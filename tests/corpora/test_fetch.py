"""Downloads against a server that drops, stalls, lies and changes its mind."""

from __future__ import annotations

import hashlib
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from dstoolkit.corpora import fetch
from dstoolkit.errors import FetchError

CONTENT = bytes(range(256)) * 2000  # 512,000 bytes
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "corpus.tar.gz"


@pytest.fixture
def url(server: Any) -> str:
    server.files["/1/corpus.tar.gz"] = CONTENT
    return f"{server.url}/1/corpus.tar.gz"


def alone(target: Path) -> bool:
    """Nothing but the file is left in its folder."""
    return [each.name for each in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize("checksum", [SHA256, MD5, SHA256.upper().replace("SHA256", "sha256"), ""])
def test_whole(url: str, target: Path, checksum: str) -> None:
    assert fetch.download(url, target, checksum) == target
    assert target.read_bytes() == CONTENT
    assert alone(target)


def test_digest_is_that_of_rfc_1321(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert fetch.digest(tmp_path / "abc", "md5") == "md5:900150983cd24fb0d6963f7d28e17f72"


def test_a_file_that_is_there_is_not_asked_for(server: Any, url: str, target: Path) -> None:
    fetch.download(url, target, SHA256)
    fetch.download(url, target, SHA256)
    assert len(server.asked) == 1


def test_a_damaged_file_is_fetched_again(url: str, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"damaged")
    fetch.download(url, target, SHA256)
    assert target.read_bytes() == CONTENT


def test_goes_on_after_drops_in_one_call(server: Any, url: str, target: Path) -> None:
    server.drops = [100_000, 50_000]
    fetch.download(url, target, SHA256)
    assert target.read_bytes() == CONTENT
    assert server.sent == len(CONTENT), "no byte was sent twice"
    assert [each.get("Range") for each in server.asked] == [None, "bytes=100000-", "bytes=150000-"]


def test_goes_on_where_a_killed_run_stopped(
    server: Any, url: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.drops = [200_000]
    monkeypatch.setattr(fetch, "ATTEMPTS", 1)
    with pytest.raises(FetchError, match=r"ended after 200000 of 512000 bytes.*200000 bytes are kept.*--corpus"):
        fetch.download(url, target, SHA256)
    assert not target.exists()
    fetch.download(url, target, SHA256)
    assert target.read_bytes() == CONTENT
    assert server.sent == len(CONTENT)


def test_begins_anew_where_the_server_knows_no_ranges(server: Any, url: str, target: Path) -> None:
    server.ranges, server.drops = False, [100_000]
    fetch.download(url, target, SHA256)
    assert target.read_bytes() == CONTENT
    assert server.sent == len(CONTENT) + 100_000


@pytest.mark.parametrize("checksum", ["", "right"])
def test_never_joins_two_versions(server: Any, url: str, target: Path, checksum: str) -> None:
    """Even without a checksum: If-Range makes the server send the whole of its new file."""
    monkey = bytes(reversed(CONTENT))
    target.parent.mkdir()
    target.with_name("corpus.tar.gz.part").write_bytes(CONTENT[:1000])
    target.with_name("corpus.tar.gz.part.version").write_text('"1"')
    server.version, server.files["/1/corpus.tar.gz"] = '"2"', monkey
    fetch.download(url, target, f"sha256:{hashlib.sha256(monkey).hexdigest()}" if checksum else "")
    assert target.read_bytes() == monkey


def test_a_part_longer_than_the_file_is_dropped(url: str, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("corpus.tar.gz.part").write_bytes(CONTENT + b"more")
    fetch.download(url, target)
    assert target.read_bytes() == CONTENT


def test_a_wrong_checksum_deletes_what_came(url: str, target: Path) -> None:
    wrong = f"sha256:{'0' * 64}"
    with pytest.raises(FetchError, match=f"{SHA256}; expected {wrong}; deleted it"):
        fetch.download(url, target, wrong)
    assert list(target.parent.iterdir()) == []


def test_not_found(server: Any, target: Path) -> None:
    with pytest.raises(FetchError, match=r"/nowhere: the server answered 404 not found; .*--corpus DIR"):
        fetch.download(f"{server.url}/nowhere", target)
    assert len(server.asked) == 1, "asking again would not help"
    assert not target.exists()


def test_a_server_in_trouble_is_asked_again(server: Any, url: str, target: Path) -> None:
    server.status = 503
    with pytest.raises(FetchError, match="503"):
        fetch.download(url, target)
    assert len(server.asked) == fetch.ATTEMPTS


def test_offline(target: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(FetchError, match=r"cannot be reached: connection refused; .*--corpus DIR"):
        fetch.download(f"http://127.0.0.1:{port}/x", target)


def test_silence(server: Any, url: str, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.delay = 1.0
    monkeypatch.setattr(fetch, "TIMEOUT", 0.05)
    monkeypatch.setattr(fetch, "ATTEMPTS", 2)
    with pytest.raises(FetchError, match=r"no answer within 0.05 s"):
        fetch.download(url, target)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/etc/passwd"])
def test_other_addresses_are_refused(target: Path, address: str) -> None:
    with pytest.raises(FetchError, match="not an http or https address"):
        fetch.download(address, target)


def test_no_space_is_known_beforehand(url: str, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(FetchError, match="no space left on device; needs 1 MB, 0 MB are free"):
        fetch.download(url, target)
    assert not target.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_no_space_while_writing(url: str, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("corpus.tar.gz.part").symlink_to("/dev/full")
    with pytest.raises(FetchError, match="no space left on device"):
        fetch.download(url, target)
    assert not target.exists()


def test_a_folder_that_cannot_be_made(url: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FetchError, match="file"):
        fetch.download(url, tmp_path / "file" / "cache" / "x.tar.gz")


def test_interrupted_keeps_the_part(server: Any, url: str, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle; the next run goes on."""
    read, blocks = fetch._read, iter([False, True])

    def interrupted(response: Any) -> bytes:
        if next(blocks):
            raise KeyboardInterrupt
        return read(response)

    monkeypatch.setattr(fetch, "_read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch.download(url, target, SHA256)
    monkeypatch.setattr(fetch, "_read", read)
    fetch.download(url, target, SHA256)
    assert target.read_bytes() == CONTENT
    assert server.asked[-1]["Range"] == f"bytes={fetch.BLOCK}-"
