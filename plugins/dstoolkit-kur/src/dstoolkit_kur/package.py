"""The options ``url``, ``path``, ``checksum`` and ``unpack``: from them to a folder of data.

An archive is fetched into the folder ``path``, unless it is there, and unpacked beside itself, into ``FILE.unpacked``.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import click

from dstoolkit.corpora import fetch
from dstoolkit.corpora.unpack import unpack
from dstoolkit.errors import FetchError
from dstoolkit_kur.node import Node
from dstoolkit_kur.options import SpeechRecognition, place


def folder(node: Node, options: SpeechRecognition, downloads: Path) -> Path:
    """The data's folder, fetched and unpacked where it must be; ``downloads`` is for archives without a ``path``.

    Raises ConfigError or FetchError.
    """
    path = place(node, options.path, "path") if options.path else downloads
    if options.url is not None:
        path = fetched(node, options, path)
    elif path.is_dir():
        if options.checksum:
            click.echo(f"{node.where('checksum')}: not compared: '{path}' is a folder", err=True)
        return path
    elif not path.exists():
        raise node.fault(f"no folder or archive '{path}'", "expected the data", at=("path",))
    else:
        check(node, options, path)
    if options.unpack is False:
        told = "its audio is read from files, as Kur's was"
        raise node.fault(f"'{path}' is an archive", told, "say 'unpack: yes'", at=("unpack",))
    return unpack(path, path.with_name(f"{path.name}.unpacked"))


def fetched(node: Node, options: SpeechRecognition, path: Path) -> Path:
    """The archive at ``url``, in the folder ``path``, or the file ``path`` where that is there already.

    One that is there with another checksum is replaced.
    """
    assert options.url is not None, "asked for by its callers"
    name = Path(unquote(urlsplit(options.url).path)).name
    if not name:
        raise node.fault(repr(options.url), "expected the address of an archive", at=("url",))
    wanted = f"sha256:{options.checksum.lower()}" if options.checksum else ""
    try:
        return fetch.download(options.url, path if path.is_file() else path / name, wanted)
    except FetchError as error:
        at = ("checksum",) if options.checksum and error.expected == f"expected {wanted}" else ("url",)
        advice = "" if at == ("checksum",) else "run it again, or name a copy with 'path' alone"
        raise FetchError(f"{node.where(*at)}: {error.where}", error.found, error.expected, advice) from error


def check(node: Node, options: SpeechRecognition, archive: Path) -> None:
    """Raises ConfigError where an archive that is there already has another checksum."""
    if options.checksum and not fetch.matches(archive, f"sha256:{options.checksum}"):
        found = f"'{archive}' has {fetch.digest(archive, 'sha256')}"
        advice = "remove it, or mend the checksum"
        raise node.fault(found, f"expected sha256:{options.checksum.lower()}", advice, at=("checksum",))
