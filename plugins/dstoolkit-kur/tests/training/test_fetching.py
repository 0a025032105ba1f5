"""``dstoolkit train`` of a Kurfile whose data lie behind an address, on a server on the loopback."""

from __future__ import annotations

import hashlib
import shutil
import tarfile

import pytest

from dstoolkit.cli.main import main


@pytest.fixture
def archive(data, server):
    """The training's data on the server alone: its address and SHA-256."""
    with tarfile.open(data / "speech.tar.gz", "w:gz") as tar:
        tar.add(data / "train", "speech")
    content = (data / "speech.tar.gz").read_bytes()
    server.files["/speech.tar.gz"] = content
    (data / "speech.tar.gz").unlink()
    shutil.rmtree(data / "train")
    return f"{server.url}/speech.tar.gz", hashlib.sha256(content).hexdigest()


@pytest.fixture
def train(write, capsys):
    """``train(url=...)``: the status of a training whose data have these options, and what it said on both streams."""

    def run(**options):
        said = ", ".join(f"{key}: {value}" for key, value in options.items())
        path = write("epochs: {number: 1, mode: total}\nprovider: {batch_size: 4}", ("path: train", said))
        with pytest.raises(SystemExit) as ended:
            main(["train", str(path), "--device", "cpu"])
        return ended.value.code, "".join(capsys.readouterr())

    return run


def test_data_are_fetched_checked_unpacked_and_trained_on(archive, train, data, server):
    url, checksum = archive
    status, told = train(url=url, checksum=checksum, path="store")
    assert status == 0, told
    assert (data / "store/speech.tar.gz").is_file()
    assert (data / "exp/tones/best.pt").is_file()
    assert "speech.tar.gz.unpacked/speech/audio/u0.wav" in (data / "data/tones/train/wav.scp").read_text()
    found = {each: each.stat().st_mtime_ns for each in (data / "exp").rglob("*")}
    assert train(url=url, checksum=checksum, path="store")[0] == 0
    assert {each: each.stat().st_mtime_ns for each in (data / "exp").rglob("*")} == found
    assert server.asked == ["/speech.tar.gz"]


def test_another_checksum_is_refused_at_its_line_and_leaves_nothing(archive, train, data):
    url, checksum = archive
    before = set(data.rglob("*"))
    status, told = train(url=url, checksum="f" * 64, path="store")
    assert status == 2
    line = len((data / "tones.yml").read_text().splitlines()) - 2
    place = f"{data}/tones.yml:{line}: train.data[0].speech_recognition.checksum: {url}"
    assert f"{place}: received a file with sha256:{checksum}; expected sha256:{'f' * 64}" in told
    assert "--corpus" not in told
    assert set(data.rglob("*")) - before == {data / "tones.yml", data / "store"}
    assert train(url=url, checksum=checksum, path="store")[0] == 0


def test_an_address_where_nothing_is(archive, train, data, server):
    status, told = train(url=f"{server.url}/speech.tgz")
    assert status == 2
    assert f"train.data[0].speech_recognition.url: {server.url}/speech.tgz: the server answered 404" in told
    assert not (data / "exp").exists()
    assert [each for each in (data / "data").rglob("*") if each.is_file()] == []
