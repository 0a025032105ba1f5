"""``url``, ``path``, ``checksum`` and ``unpack``: folders, archives, and a server on the loopback."""

from __future__ import annotations

import hashlib
import tarfile

import pytest
from dstoolkit_kur import package, supplier
from dstoolkit_kur.options import SpeechRecognition

from dstoolkit.errors import ConfigError, DstoolkitError, FetchError


@pytest.fixture
def archive(make, tmp_path):
    """The path of an archive, in which a folder of data is."""
    folder = make("speech", texts=("a", "bad"))
    with tarfile.open(tmp_path / "speech.tar.gz", "w:gz") as tar:
        tar.add(folder, "speech")
    return tmp_path / "speech.tar.gz"


@pytest.fixture
def found(section, tmp_path):
    def find(**options):
        node = supplier.supplier(section(**options))
        return package.folder(node, node.build(SpeechRecognition), tmp_path / "downloads")

    return find


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_folder(found, make):
    folder = make()
    assert found(path="train", unpack=False) == folder


def test_a_folder_has_no_checksum_which_is_said(found, make, capsys):
    folder = make()
    assert found(path="train", checksum="0" * 64) == folder
    assert "k.yml:5: train.data[0].speech_recognition.checksum: not compared: " in capsys.readouterr().err


@pytest.mark.parametrize("checksum", [False, True])
def test_an_archive_is_unpacked_beside_itself(found, archive, checksum):
    options = {"checksum": sha256(archive).upper()} if checksum else {}
    folder = found(path="speech.tar.gz", **options)
    assert folder == archive.with_name("speech.tar.gz.unpacked")
    assert (folder / "speech" / "audio" / "u1.wav").is_file()


def test_an_archive_of_another_checksum_is_refused_and_kept(found, archive):
    with pytest.raises(ConfigError) as error:
        found(path="speech.tar.gz", checksum="0" * 64)
    told = f"k.yml:5: train.data[0].speech_recognition.checksum: '{archive}' has sha256:{sha256(archive)}; expected"
    assert told in str(error.value)
    assert archive.exists()
    assert not archive.with_name("speech.tar.gz.unpacked").exists()


def test_no_unpacking_is_refused(found, archive):
    with pytest.raises(
        ConfigError, match=r"unpack: '.*speech\.tar\.gz' is an archive; its audio .*; say 'unpack: yes'"
    ):
        found(path="speech.tar.gz", unpack=False)


def test_nothing_there(found, tmp_path):
    with pytest.raises(ConfigError, match=rf"k\.yml:4: .*path: no folder or archive '{tmp_path}/train'"):
        found(path="train")


def test_what_is_no_archive(found, tmp_path):
    (tmp_path / "train").write_text("text")
    with pytest.raises(FetchError, match=rf"{tmp_path}/train: damaged"):
        found(path="train")


def test_fetched_once_into_path_and_unpacked_there(found, archive, server, tmp_path):
    server.files["/data/speech.tar.gz?x=1"] = archive.read_bytes()
    for _ in range(2):
        folder = found(url=f"{server.url}/data/speech.tar.gz?x=1", path="store", checksum=sha256(archive))
    assert server.asked == ["/data/speech.tar.gz?x=1"]
    assert folder == tmp_path / "store" / "speech.tar.gz.unpacked"
    assert (folder / "speech" / "data.jsonl").is_file()


def test_a_file_that_is_there_is_fetched_anew_only_where_its_checksum_is_another(found, archive, server):
    server.files["/new.tar.gz"], checksum = archive.read_bytes(), sha256(archive)
    found(url=f"{server.url}/new.tar.gz", path="speech.tar.gz", checksum=checksum)
    assert server.asked == []
    archive.write_bytes(b"an older one")
    folder = found(url=f"{server.url}/new.tar.gz", path="speech.tar.gz", checksum=checksum)
    assert server.asked == ["/new.tar.gz"]
    assert sha256(archive) == checksum
    assert (folder / "speech" / "data.jsonl").is_file()


def test_fetched_below_the_prepared_data_without_path(found, archive, server, tmp_path):
    server.files["/speech.tar.gz"] = archive.read_bytes()
    assert found(url=f"{server.url}/speech.tar.gz") == tmp_path / "downloads" / "speech.tar.gz.unpacked"


def test_another_checksum_leaves_nothing(found, archive, server, tmp_path):
    server.files["/speech.tar.gz"] = archive.read_bytes()
    with pytest.raises(FetchError) as error:
        found(url=f"{server.url}/speech.tar.gz", path="store", checksum="0" * 64)
    assert f"received a file with sha256:{sha256(archive)}; expected sha256:{'0' * 64}" in str(error.value)
    assert "k.yml:6: train.data[0].speech_recognition.checksum: http" in str(error.value)
    assert list((tmp_path / "store").iterdir()) == []


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("{}/none.tar", "url: {}/none.tar: the server answered 404"),
        ("{}/", "url: '{}/'; expected the address of an archive"),
        ("ftp://127.0.0.1/x.tar", "url: ftp://127.0.0.1/x.tar: not an http or https address"),
    ],
)
def test_nothing_to_fetch(found, server, address, told):
    with pytest.raises(DstoolkitError) as error:
        found(url=address.format(server.url))
    assert f"k.yml:4: train.data[0].speech_recognition.{told.format(server.url)}" in str(error.value)
