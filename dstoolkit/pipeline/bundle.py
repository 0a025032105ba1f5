"""A bundle: a trained recogniser in one file, to be shared. ``docs/models.md`` has the format.

A bundle is a zip of one form (``stored_zip``) whose first member, ``dstoolkit.json``, knows every other member's size
and SHA-256, and the plugins that it needs. Nothing in it is ever unpickled: weights are safetensors, the rest is JSON,
YAML, text and the tokenizer's own files.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dstoolkit import config, plugins
from dstoolkit.errors import DataError, DstoolkitError
from dstoolkit.pipeline import requirements, stored_zip
from dstoolkit.pipeline.experiment import Experiment, from_plain
from dstoolkit.pipeline.recognition import Recogniser
from dstoolkit.pipeline.requirements import Requirement
from dstoolkit.pipeline.vocabulary import Vocabulary

FORMAT = 1  # raised when a reader of the former format would misunderstand
MANIFEST = "dstoolkit.json"
CARD, CONFIG, FEATURES = "README.md", "config.yaml", "features.json"
NORMALISATION, RESULTS, WEIGHTS = "normalisation.json", "results.json", "weights.safetensors"
TOKENIZER, DECODER = "tokenizer/", "decoder/"
REQUIRED = (CARD, CONFIG, FEATURES, NORMALISATION, RESULTS, WEIGHTS, f"{TOKENIZER}vocabulary.yaml")
SUFFIX = ".dstk"
LARGEST_MANIFEST = 1 << 20  # bytes
BLOCK = 1 << 20  # bytes
ANEW = "fetch or pack it anew"


@dataclass(frozen=True)
class Member:
    size: int = 0  # bytes
    sha256: str = ""


@dataclass(frozen=True)
class Manifest:
    """``dstoolkit.json``. ``decoder_files``: option of the decoder -> the member that it names."""

    format: int = 0
    name: str = ""
    licence: str = ""
    dstoolkit: str = ""
    checkpoint: str = ""  # SHA-256 of the best.pt that it was packed from
    model: Mapping[str, Any] = field(default_factory=dict)
    plugins: list[Requirement] = field(default_factory=list)
    decoder_files: Mapping[str, Any] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        return json.dumps(config.plain(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def is_bundle(path: Path) -> bool:
    """Whether a file begins as bundles do; it may be damaged all the same."""
    head = stored_zip.LOCAL.size + len(MANIFEST)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        found = file.read(head)
    return found.startswith(stored_zip.LOCAL_MAGIC) and found[stored_zip.LOCAL.size :] == MANIFEST.encode()


class Bundle(AbstractContextManager["Bundle"]):
    """An open bundle, laid out as its manifest says; contents are compared with their digests as they are read.

    ``where`` stands for it in errors (None: its path). Raises DataError where it is no bundle or was altered.
    """

    def __init__(self, path: Path, where: object = None) -> None:
        self.path, self.where = path, path if where is None else where
        if not path.exists():
            raise self.error("no such file", "expected a bundle")
        if not is_bundle(path):
            raise DataError(self.where, "no bundle", "expected a file of 'dstoolkit model pack'")
        try:
            self.archive = stored_zip.open_checked(path)
        except stored_zip.Malformed as error:
            raise self.error(str(error)) from error
        try:
            self.manifest = self._manifest()
            self._check_members()
        except BaseException:
            self.archive.close()
            raise

    def __exit__(self, *exception: object) -> None:
        self.archive.close()

    def error(self, found: str, expected: str = "", advice: str = ANEW) -> DataError:
        return DataError(self.where, found, expected, advice)

    def _manifest(self) -> Manifest:
        first = self.archive.infolist()[0]
        if first.filename != MANIFEST or first.file_size > LARGEST_MANIFEST:
            raise self.error(f"its first member is {first.filename!r}", f"expected a small '{MANIFEST}'")
        values = self._json(MANIFEST, self._bytes(MANIFEST))
        if values.get("format") != FORMAT:
            advice = "install a newer dstoolkit" if isinstance(values.get("format"), int) else ANEW
            raise self.error(f"a bundle of format {values.get('format')!r}", f"this dstoolkit reads {FORMAT}", advice)
        known = {name: values[name] for name in Manifest.__dataclass_fields__ if name in values}
        try:
            return config.build(Manifest, known, MANIFEST)
        except DstoolkitError as error:
            raise self.error(f"its manifest is wrong: {error}") from error

    def _json(self, name: str, content: bytes) -> dict[str, Any]:
        try:
            values = json.loads(content.decode("utf-8"), object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            raise self.error(f"'{name}' is not JSON: {error}") from error
        if not isinstance(values, dict):
            raise self.error(f"'{name}' holds {type(values).__name__}", "expected an object")
        return values

    def _check_members(self) -> None:
        """Every member in the manifest, each of the size it says, and all that a recogniser takes among them."""
        found = {each.filename: each.file_size for each in self.archive.infolist() if each.filename != MANIFEST}
        try:
            self.members = {name: config.build(Member, each, name) for name, each in self.manifest.members.items()}
        except DstoolkitError as error:
            raise self.error(f"its manifest is wrong: {error}") from error
        for name in found:
            if name not in self.members:
                raise self.error(f"'{name}' is in it", "expected only what its manifest lists")
        for name in (*self.members, *REQUIRED, *map(str, self.manifest.decoder_files.values())):
            if name not in found:
                raise self.error(f"'{name}' is missing")
            if found[name] != self.members[name].size:
                said = f"its manifest says {self.members[name].size}"
                raise self.error(f"'{name}' has {found[name]} bytes", said)

    def _bytes(self, name: str) -> bytes:
        try:
            return self.archive.read(name)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            raise self._altered(name) from error

    def _altered(self, name: str) -> DataError:
        return self.error(f"'{name}' was altered since it was packed")

    def read(self, name: str) -> bytes:
        """A member's bytes. Raises DataError where they are not those that were packed."""
        content = self._bytes(name)
        if hashlib.sha256(content).hexdigest() != self.members[name].sha256:
            raise self._altered(name)
        return content

    def read_json(self, name: str) -> dict[str, Any]:
        return self._json(name, self.read(name))

    def stream(self, name: str, target: Any = None) -> None:
        """A member's bytes into an open file (None: nowhere), a block at a time. Raises DataError as ``read``."""
        hasher = hashlib.sha256()
        try:
            with self.archive.open(name) as source:
                while block := source.read(BLOCK):
                    hasher.update(block)
                    if target is not None:
                        target.write(block)
        except (zipfile.BadZipFile, EOFError) as error:
            raise self._altered(name) from error
        if hasher.hexdigest() != self.members[name].sha256:
            raise self._altered(name)

    def unpack(self, names: Iterable[str], folder: Path) -> None:
        """Members into ``folder``, by their names in the bundle, which ``stored_zip`` has checked."""
        for name in names:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                self.stream(name, file)

    def verify(self) -> None:
        """Raises DataError where any member is not what was packed."""
        for name in self.members:
            self.stream(name)

    def names(self, prefix: str) -> list[str]:
        return [name for name in self.members if name.startswith(prefix)]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON whose keys are there once: readers differ in which of two they take."""
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key is there twice")
    return values


_unpacked: list[tempfile.TemporaryDirectory[str]] = []  # what tokenizers and decoders may read until the process ends


def load(path: Path, device: str = "cpu") -> Recogniser:
    """The recogniser in a bundle; what its tokenizer and decoder read is unpacked until the process ends.

    Raises DataError for a file that is no bundle or was altered, PluginError or Faults where a plugin is missing.
    """
    with Bundle(Path(path)) as bundle:
        requirements.check(bundle.where, bundle.manifest.plugins)
        bundle.verify()
        folder = tempfile.TemporaryDirectory(prefix="dstoolkit-")
        _unpacked.append(folder)
        bundle.unpack(bundle.names(TOKENIZER) + bundle.names(DECODER), Path(folder.name))
        vocabulary = Vocabulary.load(Path(folder.name) / TOKENIZER)
        experiment = _experiment(bundle, Path(folder.name))
        advice = f"install what it was packed with: {requirements.exact(bundle.manifest.plugins)}"
        return Recogniser.build(bundle.where, experiment, vocabulary, _state(bundle), device, advice)


def _state(bundle: Bundle) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load as tensors

    features = bundle.read_json(FEATURES)
    try:
        weights = tensors(bundle.read(WEIGHTS))
    except SafetensorError as error:
        raise bundle.error(f"'{WEIGHTS}' is not safetensors: {error}") from error
    return {
        "weights": weights,
        "input_dim": features.get("dim"),
        "cmvn": bundle.read_json(NORMALISATION),
        "extractor": features,
    }


def _experiment(bundle: Bundle, folder: Path) -> Experiment:
    """The configuration, its decoder's files those that were unpacked. Raises DataError where it names any other."""
    (folder / CONFIG).write_bytes(bundle.read(CONFIG))
    values = config.load(folder / CONFIG)
    where = f"{bundle.where} ({CONFIG})"
    section = values.get("decoder", {})
    if isinstance(section, dict):
        section.update({name: str(folder / str(each)) for name, each in bundle.manifest.decoder_files.items()})
    experiment = from_plain(values, where)
    decoder, options = plugins.choose("decoders", experiment.decoder)
    for name, path in decoder.inputs(options).items():
        if folder not in path.parents or not path.is_file():
            raise bundle.error(f"its decoder's option '{name}' names '{path}'", "expected a member of the bundle")
    return experiment
