"""CSV, TSV and JSON lines as records that know their file and line.

CSV and TSV are UTF-8 (a byte order mark is let pass: spreadsheets write one) with the columns' names in the first line;
quoted fields may hold delimiters and line feeds. JSON lines hold one object each; empty lines are skipped.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dstoolkit.data.tables import count
from dstoolkit.errors import DataError, DstoolkitError, Faults

DELIMITERS = {".csv": ",", ".tsv": "\t"}
ENDINGS = (".jsonl", ".csv", ".tsv")
FORMS = "a .csv, .tsv or .jsonl file, a folder with one, or a Kaldi data directory"


class TabSeparated(csv.excel):
    """No quoting: such files carry quotation marks as plain text more often (Common Voice's do)."""

    quoting = csv.QUOTE_NONE


@dataclass(frozen=True)
class Record:
    """One row: ``where`` is its file and line, ``values`` its fields by name."""

    where: str
    values: dict[str, Any]


def find(source: Path) -> Path:
    """A manifest, or the only one in a folder. Raises DataError."""
    if source.is_dir():
        found = sorted(each for each in source.iterdir() if each.suffix.lower() in ENDINGS)
        if len(found) == 1:
            return found[0]
        names = ", ".join(f"'{each.name}'" for each in found)
        what = f"several manifests: {names}" if found else "no manifest and no 'wav.scp'"
        raise DataError(source, what, f"expected {FORMS}", "name one" if found else "")
    if not source.exists():
        raise DataError(source, "no such file or folder", f"expected {FORMS}")
    if source.suffix.lower() not in ENDINGS:
        raise DataError(source, f"a file ending in {source.suffix!r}", f"expected {FORMS}")
    return source


def read(path: Path, delimiter: str | None = None) -> list[Record]:
    """All rows of a manifest. Raises DataError or Faults, with line numbers."""
    text = _text(path)
    faults: list[DstoolkitError] = []
    lines = path.suffix.lower() == ".jsonl"
    rows = _json_lines(path, text, faults) if lines else _table(path, text, delimiter, faults)
    records = list(rows)
    Faults.check(faults)
    if not records:
        raise DataError(path, "no rows", "expected one for each utterance")
    return records


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{content[error.start]:02x}"
        raise DataError(f"{path}:{line}", found, "expected UTF-8 text", "convert the file, say with iconv") from error


def _json_lines(path: Path, text: str, faults: list[DstoolkitError]) -> Iterator[Record]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            faults.append(DataError(where, f"not JSON: {getattr(error, 'msg', error)}".lower(), "expected an object"))
            continue
        if isinstance(values, dict):
            yield Record(where, values)
        else:
            faults.append(DataError(where, f"a JSON {type(values).__name__}", "expected an object"))


def _table(path: Path, text: str, delimiter: str | None, faults: list[DstoolkitError]) -> Iterator[Record]:
    delimiter = delimiter or DELIMITERS[path.suffix.lower()]
    dialect = TabSeparated if delimiter == "\t" else csv.excel
    reader = csv.reader(io.StringIO(text, newline=""), dialect, delimiter=delimiter, strict=True)
    header: list[str] = []
    before = 0
    try:
        for row in reader:
            where, before = f"{path}:{before + 1}", reader.line_num
            if not header:
                header = _header(where, row, faults)
            elif len(row) == len(header):
                yield Record(where, dict(zip(header, row, strict=True)))
            elif row:
                faults.append(
                    DataError(where, count(len(row), "field"), f"expected {len(header)}: {', '.join(header)}")
                )
    except csv.Error as error:
        faults.append(DataError(f"{path}:{before + 1}", f"not CSV: {error}"))


def _header(where: str, row: list[str], faults: list[DstoolkitError]) -> list[str]:
    names = [name.strip() for name in row]
    if len(set(names)) < len(names):
        faults.append(DataError(where, "two columns of one name", "expected each once"))
    return names


def seconds(value: Any) -> float | None:
    """A number, or a string that is one, as finite seconds; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
