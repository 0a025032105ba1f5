"""Which utterances ``test`` and ``evaluate`` hear, in which batches, and so in which order their predictions come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dstoolkit import config
from dstoolkit.data import batches
from dstoolkit.data.archive import Archive
from dstoolkit.data.batches import Batches, IntArray
from dstoolkit.data.datadir import read_text
from dstoolkit.pipeline.outputs import Source
from dstoolkit.pipeline.vocabulary import Vocabulary
from dstoolkit_kur import provider
from dstoolkit_kur.node import Node

SAME = np.random.default_rng(0)  # draws nothing: given and sorted orders are not random


@dataclass(frozen=True)
class Chosen:
    """``batches``: of indices into the archive; None: all, in dstoolkit's own batches. ``names``: the utterances in the
    order of their predictions. ``options``: for a stamp, what chose them."""

    batches: list[IntArray] | None
    names: list[str]
    options: dict[str, Any]


def choose(section: Node, source: Source) -> Chosen:
    """What the section's provider chooses of the archive; all of it, by id, where it says nothing.

    Raises ConfigError, Faults, with file and line, also where no batch is left.
    """
    with Archive(source.features) as archive:
        node, ids = provider.said(section), archive.utterance_ids
        if node is None:
            return Chosen(None, list(ids), {})
        provider.check(section, len(ids))
        options = config.build(Batches, provider.read(section).batches(once=True), node.where())
        keys = tokens(source, list(ids)) if options.sort_by == "text" else None
        found = batches.plan(np.asarray(archive.lengths), 0, SAME, 1.0, options, keys)
        names = [ids[at] for batch in found for at in batch.tolist()]
        return Chosen(found, names, {"batches": config.plain(options)})


def tokens(source: Source, names: list[str]) -> IntArray:
    """The lengths of the transcripts, ``(utterances,)``."""
    texts, vocabulary = read_text(source.data / "text"), Vocabulary.load(source.exp / "tokenizer")
    return np.asarray([len(vocabulary.encode(texts[each])) for each in names])
