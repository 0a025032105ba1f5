"""What a decoding leaves in its folder: ``text``, ``nbest.jsonl`` and ``ctm``.

``text`` is a Kaldi text file of the best hypotheses, ``nbest.jsonl`` has a line of JSON for each utterance with all of
them, both by utterance id; ``ctm`` has the words of the best ones with their times, by recording and time
(``dstoolkit/data/ctm.py``).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from dstoolkit.data import ctm
from dstoolkit.data.batches import IntArray
from dstoolkit.data.ctm import Place
from dstoolkit.interfaces import Hypothesis, Word

DIGITS = 4  # decimal places of scores and confidences


class Writer:
    """Takes utterances in any order; ``finish`` writes the three files into ``folder``.

    Until then the lines are in a nameless temporary file there, which vanishes with the process, and memory holds an
    utterance's id, place, text and the position of its line. A context manager.
    """

    def __init__(self, folder: Path, places: Mapping[str, Place]) -> None:
        self.folder, self.places = folder, places
        self._spool = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed by __exit__
        self._lines: dict[str, tuple[int, int]] = {}  # utterance -> begin, bytes
        self._texts: dict[str, str] = {}

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *exception: object) -> None:
        self._spool.close()

    def add(self, utterance: str, hypotheses: Sequence[Hypothesis]) -> None:
        row = {"utterance": utterance, "hypotheses": [plain(each) for each in hypotheses]}
        line = (json.dumps(row, ensure_ascii=False) + "\n").encode()
        self._lines[utterance] = self._spool.tell(), len(line)
        self._texts[utterance] = hypotheses[0].text if hypotheses else ""
        self._spool.write(line)

    def add_batch(self, utterances: Sequence[str], batch: IntArray, found: Sequence[Sequence[Hypothesis]]) -> None:
        """The hypotheses of a batch of indices into ``utterances``."""
        for at, hypotheses in zip(batch.tolist(), found, strict=True):
            self.add(utterances[at], hypotheses)

    def finish(self) -> None:
        utterances = sorted(self._lines)
        with (self.folder / "text").open("w", encoding="utf-8") as text:
            text.writelines(f"{each} {self._texts[each]}".rstrip() + "\n" for each in utterances)
        with (self.folder / "nbest.jsonl").open("wb") as nbest:
            nbest.writelines(map(self._line, utterances))
        in_time = sorted(utterances, key=lambda each: (self.places[each], each))
        with (self.folder / "ctm").open("w", encoding="utf-8") as file, closing(ctm.Writer(file)) as writer:
            for each in in_time:
                writer.add(self.places[each], self._words(each))

    def _line(self, utterance: str) -> bytes:
        begin, length = self._lines[utterance]
        self._spool.seek(begin)
        return self._spool.read(length)

    def _words(self, utterance: str) -> list[Word]:
        hypotheses = json.loads(self._line(utterance))["hypotheses"]
        return [Word(**each) for each in hypotheses[0]["words"]] if hypotheses else []


def plain(each: Hypothesis) -> dict[str, Any]:
    """A hypothesis as JSON: the decoder's score, the network's and the language model's log-probabilities."""
    acoustic = each.score if each.acoustic is None else each.acoustic
    return {
        "text": each.text,
        "score": round(each.score, DIGITS),
        "am": round(acoustic, DIGITS),
        "lm": round(each.lm, DIGITS),
        "words": [vars(word) | {"confidence": round(word.confidence, DIGITS)} for word in each.words],
        "tokens": list(each.tokens),
        "frames": list(each.frames),
        "confidences": [round(value, DIGITS) for value in each.confidences],
    }
