"""CMU's AN4: names, addresses, dates and numbers, spelled and spoken by 84 people in 1991, 16 kHz.

A. Acero, "Acoustical and environmental robustness in automatic speech recognition", 1993; a BSD-style licence. The
layout is the corpus's own: ``etc/an4_{train,test}.fileids`` (``an4_clstk/SPEAKER/NAME``), ``.transcription`` (``TEXT
(NAME)``), and audio below ``wav/`` (``.sph``, ``.wav`` or headerless ``.raw``) or Sphinx cepstra below ``feat/``
(``.mfc``: 13 coefficients, 100 frames/s; see ``features.precomputed``).

The official test part is test; dev is cut from the training part by speaker. Texts are lower case, without ``<s>``,
``</s>`` and fillers such as ``<sil>`` and ``++noise++``; what has nothing else is left out and counted.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dstoolkit import stamp
from dstoolkit.corpora import splitting
from dstoolkit.corpora.unpack import fetched, unpack
from dstoolkit.errors import DataError, DstoolkitError, Faults, FetchError
from dstoolkit.interfaces import Corpus, Preparation, Utterance

if TYPE_CHECKING:
    import numpy as np

URL = "http://www.speech.cs.cmu.edu/databases/an4"  # which offers no https, and no checksums
ARCHIVES = ("an4_sphere.tar.gz", "an4_raw.bigendian.tar.gz", "an4_raw.littleendian.tar.gz")
RATE = 16000  # Hz, of the headerless files
COEFFICIENTS, FRAME_RATE = 13, 100  # of the cepstra: float32 values per frame, frames per second
DEV = 80  # utterances
PLACES: dict[str, tuple[str, tuple[str, ...]]] = {
    "audio": ("wav", (".sph", ".wav", ".raw")),
    "mfc": ("feat", (".mfc",)),
}
FILLER = re.compile(r"<[^>\s]*>|\+\+[^+\s]*\+\+|\[[^\]\s]*\]")
LINE = re.compile(r"(?P<text>.*)\((?P<name>[^()\s]+)\)\s*")


@dataclass(frozen=True)
class An4Config:
    """``form``: what to use, the audio or the Sphinx cepstra; auto: audio where it is there.

    ``url``: the address above ``an4_sphere.tar.gz``.
    """

    form: Literal["auto", "audio", "mfc"] = "auto"
    url: str = URL


class An4(Corpus):
    """A spelling corpus in two forms: audio, or cepstra made by Sphinx."""

    name = "an4"
    Config = An4Config
    licence = "BSD-style (Carnegie Mellon University)"
    source = "CMU, www.speech.cs.cmu.edu/databases/an4"

    def __init__(self, config: An4Config) -> None:
        self.form, self.url = config.form, config.url

    def fetch(self, cache: Path) -> Path:
        if self.form == "mfc":
            raise FetchError("an4", "form mfc cannot be fetched", "", "take form=audio, or pass --corpus DIR")
        name = ARCHIVES[0]
        return _root(fetched(f"{self.url}/{name}", cache / name, "", cache / self.name))

    def locate(self, folder: Path, cache: Path) -> Path:
        """The folder with ``etc`` (or one above it), or one with CMU's archive; headerless audio gets headers."""
        root = folder
        if not _is_root(folder) and not _is_root(folder / "an4"):
            found = [folder / name for name in ARCHIVES if (folder / name).is_file()]
            if not found:
                raise FetchError(folder, "no AN4 here", f"expected etc/an4_train.fileids or {ARCHIVES[0]}")
            root = unpack(found[0], cache / self.name)
        root = _root(root)
        headerless = self.form != "mfc" and any((root / "wav").rglob("*.raw"))
        return _with_headers(root, cache / "an4-wav") if headerless else root

    def prepare(self, folder: Path) -> Preparation:
        root = _root(folder)
        form = self._form(root)
        faults: list[DstoolkitError] = []
        parts = {part: _read_part(root, part, form, faults) for part in ("train", "test")}
        Faults.check(faults)
        notes = [f"form: {form}"]
        for part, utterances in parts.items():
            silent = sum(not each.text for each in utterances)
            parts[part] = [each for each in utterances if each.text]
            if silent:
                notes.append(f"left out: {silent} x {part} utterance without words")
        if form == "mfc":
            notes += [f"{part}: {_minutes(utterances):.1f} minutes of cepstra" for part, utterances in parts.items()]
        train, dev = splitting.by_speaker(parts["train"], DEV)
        source = "feats.scp" if form == "mfc" else "wav.scp"
        return Preparation({"train": train, "dev": dev, "test": parts["test"]}, notes, source)

    def _form(self, root: Path) -> str:
        if self.form != "auto":
            return self.form
        folder, suffixes = PLACES["audio"]
        has_audio = any(path.suffix in suffixes for path in (root / folder).rglob("*"))
        return "audio" if has_audio else "mfc"


def _is_root(folder: Path) -> bool:
    return (folder / "etc/an4_train.fileids").is_file()


def _root(folder: Path) -> Path:
    return folder / "an4" if not _is_root(folder) and _is_root(folder / "an4") else folder


def _read_part(root: Path, part: str, form: str, faults: list[DstoolkitError]) -> list[Utterance]:
    texts = _read_texts(root / f"etc/an4_{part}.transcription", faults)
    folder, suffixes = PLACES[form]
    utterances, lacking = [], []
    file_ids = root / f"etc/an4_{part}.fileids"
    for number, line in enumerate(_lines(file_ids, faults), 1):
        file_id = Path(line.strip())
        found = [path for suffix in suffixes if (path := root / folder / f"{file_id}{suffix}").is_file()]
        if file_id.name not in texts:
            faults.append(DataError(f"{file_ids}:{number}", f"no transcript of '{file_id.name}'"))
        elif not found:
            lacking.append(f"{file_id}{suffixes[0]}")
        else:
            speaker = file_id.parent.name
            name = f"{speaker}-{file_id.name}"  # begins with the speaker, as Kaldi's sorting wants it
            utterances.append(Utterance(name, str(found[0].resolve()), speaker, texts[file_id.name]))
    if lacking:
        what = f"{len(lacking)} files of the {part} part missing, such as '{lacking[0]}'"
        faults.append(DataError(root / folder, what, f"expected {' or '.join(suffixes)}"))
    return utterances


def _lines(path: Path, faults: list[DstoolkitError]) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        faults.append(DataError(path, (error.strerror or str(error)).lower(), "expected AN4's own layout"))
    except UnicodeDecodeError:
        faults.append(DataError(path, "not UTF-8 text", "expected AN4's own layout"))
    return []


def _read_texts(path: Path, faults: list[DstoolkitError]) -> dict[str, str]:
    """``TEXT (NAME)`` lines: name -> words."""
    texts: dict[str, str] = {}
    for number, line in enumerate(_lines(path, faults), 1):
        found = LINE.fullmatch(line)
        if not found:
            faults.append(DataError(f"{path}:{number}", f"no name in '{line.strip()}'", "expected 'TEXT (NAME)'"))
        elif found["name"] in texts:
            faults.append(DataError(f"{path}:{number}", f"'{found['name']}' is there twice"))
        else:
            texts[found["name"]] = " ".join(FILLER.sub(" ", found["text"]).lower().split())
    return texts


def _minutes(utterances: list[Utterance]) -> float:
    values = sum((Path(each.path).stat().st_size - 4) // 4 for each in utterances)  # float32, after a 4-byte count
    return values / COEFFICIENTS / FRAME_RATE / 60


def _with_headers(root: Path, folder: Path) -> Path:
    """A copy of the corpus whose headerless 16-bit audio is wav, below the cache; made once."""
    import numpy as np
    import soundfile

    sources = sorted((root / "wav").rglob("*.raw"))
    made_by = stamp.Stamp("add headers", {"files": len(sources), "bytes": sum(each.stat().st_size for each in sources)})
    if folder.is_dir() and stamp.read(folder) == made_by:
        return folder
    with stamp.building(folder, made_by) as partial:
        shutil.copytree(root / "etc", partial / "etc")
        order = _byte_order([np.fromfile(each, "<i2") for each in sources[:20]])
        for source in sources:
            target = (partial / source.relative_to(root)).with_suffix(".wav")
            target.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(target, np.fromfile(source, order).astype(np.int16), RATE, subtype="PCM_16")
    return folder


def _byte_order(recordings: list[np.ndarray]) -> str:
    """The byte order that makes speech of them: neighbouring samples of speech are alike, swapped ones are not."""
    import numpy as np

    def roughness(dtype: str) -> float:
        swapped = [each.view(dtype).astype(np.float64) for each in recordings]
        return sum(float(np.abs(np.diff(each)).sum()) for each in swapped)

    return min("<i2", ">i2", key=roughness)
