"""The contract of corpora. Where the subject has the corpus's folder, its preparation is checked too."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from dstoolkit.data import datadir
from dstoolkit.errors import DstoolkitError
from dstoolkit.interfaces import Preparation
from dstoolkit.testing.checks import CheckFailed, Skipped, Subject, check, require

SHOWN = 3  # examples in a message


def prepare(subject: Subject) -> Preparation:
    if subject.folder is None:
        raise Skipped("needs the corpus's folder")
    prepared: Preparation = subject.cls(subject.config).prepare(subject.folder)
    return prepared


@check("corpora")
def says_where_it_comes_from(subject: Subject) -> None:
    """``licence`` and ``source``, for people."""
    for name in ("licence", "source"):
        value = getattr(subject.cls, name, None)
        require(isinstance(value, str) and bool(value.strip()), f"{name} is {value!r}; expected a line of text")


@check("corpora")
def empty_folder_is_refused(subject: Subject) -> None:
    """An empty folder raises an error a user can mend, not a crash, and not a preparation of nothing."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            subject.cls(subject.config).prepare(Path(folder))
        except DstoolkitError:
            return
    raise CheckFailed("prepare of an empty folder raises nothing; expected DataError")


@check("corpora")
def preparation_is_deterministic(subject: Subject) -> None:
    """Twice the same."""
    require(prepare(subject) == prepare(subject), "two preparations of one folder differ")


@check("corpora")
def splits_are_filled(subject: Subject) -> None:
    """At least one split, none empty."""
    prepared = prepare(subject)
    require(bool(prepared.splits), "no splits")
    for name, utterances in prepared.splits.items():
        require(len(utterances) > 0, f"split {name!r} is empty")


@check("corpora")
def ids_are_unique(subject: Subject) -> None:
    """No utterance is in two splits, or twice in one."""
    counts = Counter(each.id for utterances in prepare(subject).splits.values() for each in utterances)
    twice = [key for key, count in counts.items() if count > 1]
    require(not twice, f"{len(twice)} ids occur more than once: {', '.join(twice[:SHOWN])}")


@check("corpora")
def texts_are_disjoint(subject: Subject) -> None:
    """Where ``disjoint_texts`` promises it, no text of one split occurs in another."""
    if not subject.cls.disjoint_texts:
        raise Skipped("does not promise it (disjoint_texts)")
    owner: dict[str | None, str] = {}
    for name, utterances in prepare(subject).splits.items():
        for each in utterances:
            other = owner.setdefault(each.text, name)
            require(other == name, f"{each.text!r} is in {other!r} and in {name!r}")


@check("corpora")
def data_directories_can_be_written(subject: Subject) -> None:
    """Every split, written as a Kaldi data directory, reads back whole, and its files exist."""
    prepared = prepare(subject)
    for name, utterances in prepared.splits.items():
        with tempfile.TemporaryDirectory() as folder:
            datadir.write(Path(folder), utterances, prepared.source)
            read = datadir.DataDir.read(Path(folder)).utterances
        require([each.id for each in read] == sorted(each.id for each in utterances), f"split {name!r} lost utterances")
        files = {datadir.OFFSET.sub("", each.path) for each in read}
        missing = sorted(path for path in files if not Path(path).is_file())
        require(not missing, f"split {name!r}: {len(missing)} files are missing: {', '.join(missing[:SHOWN])}")
