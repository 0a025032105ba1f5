"""Zip files in one form only: members stored, one after another from the first byte, nothing between or after them.

Any zip tool lists and unpacks such a file. The same members give the same bytes: the order is the caller's, the time
the format's first, permissions one for all. ``check`` refuses every other zip: compressed (so a few bytes never become
many), encrypted, with names that lead elsewhere or occur twice, with bytes or comments that no member owns, truncated.
The format is PKWARE's APPNOTE 6.3, sections 4.3 to 4.5.
"""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")  # no '..', no hidden, no root
LONGEST_NAME = 200  # characters
MOST_MEMBERS = 1000
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can say
LOCAL = struct.Struct("<4s5H3I2H")  # the header before each member's bytes
LOCAL_MAGIC, END_MAGIC = b"PK\x03\x04", b"PK\x05\x06"
END_SIZE = 22  # bytes of the record that ends a zip without a comment
BIG = zipfile.ZIP64_LIMIT  # bytes from which on a member has a further field for its size


class Malformed(Exception):
    """Why a file is no zip of this form, as an error's ``found``."""


def write(path: Path, members: Iterable[tuple[str, bytes | Path]]) -> None:
    """A zip of these, contents or files, in this order. ``check_name`` is to have passed their names."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system, info.external_attr = 3, 0o100644 << 16  # a file of Unix, whatever wrote it
            if isinstance(content, bytes):
                archive.writestr(info, content)
                continue
            info.file_size = content.stat().st_size
            with content.open("rb") as source, archive.open(info, "w") as target:
                while block := source.read(1 << 20):
                    target.write(block)


def check_name(name: str) -> None:
    """Raises Malformed for a member's name that might lead out of a folder, or be two things to two systems."""
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise Malformed(f"a member is called {name[:LONGEST_NAME]!r}")


def open_checked(path: Path) -> zipfile.ZipFile:
    """The open zip. Raises Malformed where it has not exactly the form of ``write``, OSError for no such file."""
    try:
        archive = zipfile.ZipFile(path)
    except OSError:
        raise
    except Exception as error:  # zipfile raises many kinds for foreign bytes
        raise Malformed("truncated, or no bundle") from error
    try:
        with path.open("rb") as file:
            _check(archive, file)
    except BaseException as error:
        archive.close()
        if isinstance(error, (struct.error, EOFError)):
            raise Malformed("truncated, or no bundle") from error
        raise
    return archive


def _check(archive: zipfile.ZipFile, file: BinaryIO) -> None:
    infos = archive.infolist()
    if len(infos) > MOST_MEMBERS:
        raise Malformed(f"{len(infos)} members, of {MOST_MEMBERS} at most")
    seen: set[str] = set()
    end = 0
    for info in infos:
        check_name(info.filename)
        if info.filename.casefold() in seen:
            raise Malformed(f"member {info.filename!r} is there twice")
        seen.add(info.filename.casefold())
        _check_plain(info)
        if info.header_offset != end:
            raise Malformed(f"bytes that belong to no member, before {info.filename!r}")
        end = _end_of(info, file)
    if archive.start_dir != end:
        raise Malformed("bytes that belong to no member, after the last")
    file.seek(-END_SIZE, 2)
    last = file.read()
    if archive.comment or last[:4] != END_MAGIC or last[-2:] != b"\0\0":
        raise Malformed("bytes after its end")


def _check_plain(info: zipfile.ZipInfo) -> None:
    """Stored, in the open, and with nothing said beside its name and size."""
    name = info.filename
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise Malformed(f"member {name!r} is compressed")
    if info.flag_bits:
        raise Malformed(f"member {name!r} is encrypted or of another form")
    if info.comment or (info.extra and max(info.file_size, info.header_offset) < BIG):
        raise Malformed(f"member {name!r} has a comment")


def _end_of(info: zipfile.ZipInfo, file: BinaryIO) -> int:
    """Where the bytes of a member end, by its own header, which must say what the directory says."""
    file.seek(info.header_offset)
    magic, *_, name_size, extra_size = LOCAL.unpack(file.read(LOCAL.size))
    if magic != LOCAL_MAGIC or file.read(name_size) != info.filename.encode():
        raise Malformed(f"member {info.filename!r} has another name in its own place")
    if extra_size and info.file_size < BIG:
        raise Malformed(f"member {info.filename!r} has a comment")
    return int(info.header_offset + LOCAL.size + name_size + extra_size + info.file_size)
