"""Transcripts as text, JSON, SRT and CTM, on standard output, in one file or in a file for each recording.

``text``: the words of a recording on a line, after its id where there are several (a Kaldi ``text`` file); by segments,
``[ID ]START END WORDS``, seconds. ``json``: a line of JSON for each recording, whose keys ``docs/transcribe.md`` lists.
``srt``: subtitles (``subtitles.py``). ``ctm``: ``dstoolkit/data/ctm.py``, the id as the recording.
"""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dstoolkit import stamp
from dstoolkit.data import ctm
from dstoolkit.errors import ConfigError, DataError, Faults
from dstoolkit.pipeline import subtitles
from dstoolkit.pipeline.transcriber import Transcript

ENDINGS = {"text": "txt", "json": "json", "srt": "srt", "ctm": "ctm"}
STDIN, STDIN_ID = "-", "stdin"


def ids(paths: Sequence[str]) -> list[str]:
    """A name for each recording: the file's without its ending; with it, or the whole path, where that tells them
    apart. Blanks become ``_``. Raises DataError or Faults where a file is named twice."""
    counts = Counter(paths)
    Faults.check(
        DataError(each, f"named {count} times", "expected once") for each, count in counts.items() if count > 1
    )
    ways: list[Callable[[Path], str]] = [lambda each: each.stem, lambda each: each.name, lambda each: str(each)]
    for way in ways:
        found = [STDIN_ID if each == STDIN else "_".join(way(Path(each)).split()) for each in paths]
        found = [each.strip(os.sep).replace(os.sep, "_") for each in found]
        if len(set(found)) == len(found):
            return found
    same = next(each for each, count in Counter(found).items() if count > 1)
    named = [path for path, each in zip(paths, found, strict=True) if each == same]
    raise DataError(named[1], f"would be called '{same}', as '{named[0]}' is", "", "rename one of them")


@dataclass(frozen=True)
class Form:
    """How transcripts are written. ``several``: lines of text name their recording. ``channel``: as CTM has it."""

    format: str
    several: bool = False
    by_segments: bool = False
    channel: str = ctm.CHANNEL

    def __post_init__(self) -> None:
        if self.by_segments and self.format != "text":
            raise ConfigError("--segments", f"given with --format {self.format}", "it is for text")

    def render(self, transcript: Transcript) -> str:
        made: Mapping[str, Callable[[Transcript], str]] = {
            "text": self._text,
            "json": lambda each: json.dumps(plain(each), ensure_ascii=False) + "\n",
            "srt": lambda each: subtitles.srt(each.segments),
            "ctm": self._ctm,
        }
        return made[self.format](transcript)

    def _text(self, transcript: Transcript) -> str:
        start = f"{transcript.id} " if self.several else ""
        if not self.by_segments:
            return f"{start}{transcript.text}".rstrip() + "\n"
        return "".join(f"{start}{each.start:.2f} {each.end:.2f} {each.text}\n" for each in transcript.segments)

    def _ctm(self, transcript: Transcript) -> str:
        out = io.StringIO()
        with closing(ctm.Writer(out, self.channel)) as writer:
            for segment in transcript.segments:
                writer.add(ctm.Place(transcript.id, 0.0), segment.words)
        return out.getvalue()


def plain(transcript: Transcript) -> dict[str, Any]:
    """A transcript as JSON has it: seconds, confidences in [0, 1]."""
    return {
        "id": transcript.id,
        "file": transcript.file,
        "duration_s": round(transcript.duration, 3),
        "text": transcript.text,
        "segments": [
            {
                "start": round(each.start, 3),
                "end": round(each.end, 3),
                "text": each.text,
                "confidence": None if each.confidence is None else round(each.confidence, 4),
                "words": [
                    {
                        "word": word.text,
                        "start": round(word.start, 3),
                        "end": round(word.end, 3),
                        "confidence": round(word.confidence, 4),
                    }
                    for word in each.words
                ],
            }
            for each in transcript.segments
        ],
    }


@dataclass
class Destination:
    """Where transcripts go: to ``show`` (no ``out``), into one file, or each into a file of its own in a folder."""

    form: Form
    out: str | None
    show: Callable[[str], object]
    _texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        srts = self.form.format == "srt" and self.form.several
        if self.out is None:
            if srts:
                found = "several recordings for standard output"
                raise ConfigError("--format srt", found, "subtitles are a file for each", "name a folder with --out")
            return
        path = Path(self.out)
        self.folder = path.is_dir() or self.out.endswith(os.sep) or (srts and not path.exists())
        if srts and not self.folder:
            raise ConfigError(f"--out {path}", "a file", "expected a folder: subtitles are a file for each recording")
        if self.folder and path.exists() and not path.is_dir():
            raise ConfigError(f"--out {self.out}", "a file", "expected a folder")

    def check(self, names: Sequence[str], inputs: Mapping[str, Path]) -> None:
        """Raises DataError or Faults where what is written would replace an input, by what it is."""
        if self.out is not None:
            written = {self._path(each) for each in names}
            for path in written:
                stamp.spare_inputs(inputs, path.parent, [path.name], "a transcript")

    def add(self, transcript: Transcript) -> None:
        text = self.form.render(transcript)
        if self.out is None:
            self.show(text)
        elif self.folder:
            _write(self._path(transcript.id), text)
        else:
            self._texts.append(text)

    def finish(self) -> None:
        """Write the one file, unless nothing was transcribed."""
        if self._texts:
            _write(self._path(""), "".join(self._texts))

    def _path(self, name: str) -> Path:
        path = Path(self.out or "")
        return path / f"{name}.{ENDINGS[self.form.format]}" if self.folder else path


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(path, text)
