"""Files of a data directory that dstoolkit does not use itself (``spk2gender``, ``utt2lang``...) go along with subsets.

A file named ``utt2*``, ``spk2*`` or ``reco2*`` is keyed by utterance, speaker or recording; its lines of what remains
are kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from dstoolkit import stamp
from dstoolkit.data import tables
from dstoolkit.data.tables import FORMS, Form
from dstoolkit.errors import DstoolkitError, Faults
from dstoolkit.interfaces import Utterance

NAME = re.compile(r"(utt|spk|reco)2\w+")
KINDS = {"utt": "utterance", "spk": "speaker", "reco": "recording"}


def names(folder: Path) -> list[str]:
    """The extra files of a directory, sorted."""
    found = (each.name for each in folder.iterdir() if each.is_file())
    return sorted(name for name in found if NAME.fullmatch(name) and name not in FORMS)


def carry(sources: Mapping[Path, str], folder: Path, utterances: Sequence[Utterance]) -> list[str]:
    """Write the extra files of ``sources`` (directory -> prefix of its ids) for ``utterances``; returns their names.

    Where two sources say something of one key, the first is taken. Raises DataError or Faults for faulty lines.
    """
    wanted = {
        "utt": {each.id for each in utterances},
        "spk": {each.speaker for each in utterances},
        "reco": {each.recording or each.id for each in utterances},
    }
    files: dict[str, dict[str, str]] = {}
    faults: list[DstoolkitError] = []
    for source, prefix in sources.items():
        for name in names(source):
            kind = name.partition("2")[0]
            table = tables.read(source / name, Form(KINDS[kind], f"<{KINDS[kind]}> <value>", 2), ordered=False)
            faults += table.faults
            rows = {prefix + key: value for key, value in table.values().items()}
            kept = {key: value for key, value in rows.items() if key in wanted[kind]}
            files[name] = kept | files.get(name, {})
    Faults.check(faults)
    filled = {name: rows for name, rows in files.items() if rows}
    for name, rows in filled.items():
        stamp.write_text(folder / name, tables.render(rows.items()))
    return sorted(filled)
