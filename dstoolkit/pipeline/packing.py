"""Making a bundle of ``exp/TAG``: the same folder gives the same bytes. ``bundle`` reads what is written here.

Paths on the machine that packs stay there: of files that only training needs (noise, impulse responses) the
configuration keeps the last part of the name, and files that the decoder reads come along.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from dstoolkit import __version__, config, plugins, stamp
from dstoolkit.config import Choice
from dstoolkit.errors import ConfigError, DataError, Faults, StampError
from dstoolkit.pipeline import bundle, checkpoint, model_card, requirements, stored_zip
from dstoolkit.pipeline.bundle import Manifest
from dstoolkit.pipeline.recognition import Recogniser
from dstoolkit.pipeline.transcription import make_decoder

LONGEST_LINE = 200  # characters of a name or a licence
AUGMENT_FILES = ("noise", "reverberation", "alignments")


@dataclass(frozen=True)
class Labels:
    """What the packer says of a bundle: its name, its licence, and Markdown for its card. Raises ConfigError."""

    name: str
    licence: str
    notes: str = ""

    def __post_init__(self) -> None:
        for option, value in (("--name", self.name), ("--licence", self.licence)):
            if not value.strip() or not value.isprintable() or len(value) > LONGEST_LINE:
                raise ConfigError(option, f"{value!r}", f"expected a line of 1 to {LONGEST_LINE} characters")


def pack(exp: Path, out: Path, labels: Labels, decoder: Choice, force: bool = False) -> Manifest:
    """Write the bundle ``out``, whole or not at all, with this decoder. Raises DstoolkitError for what can be mended.

    An ``out`` that is there is left where it is the same, and refused where it is another, unless ``force``.
    """
    recogniser = Recogniser.load(exp)
    make_decoder(decoder, recogniser.vocabulary)  # refuses files that do not fit the tokens
    named, files = taken_along(decoder)
    contents: dict[str, bytes | Path] = {
        bundle.CONFIG: _config(recogniser, named),
        bundle.FEATURES: _json(recogniser.extractor),
        bundle.NORMALISATION: _json(recogniser.cmvn.to_dict()),
        **_tokenizer(exp / "tokenizer"),
        **{str(named.options[option]): path for option, path in files.items()},
        bundle.WEIGHTS: weights(exp / "best.pt"),
    }
    names = {
        "features": recogniser.extractor["extractor"],
        "encoders": recogniser.experiment.encoder.name,
        "tokenizers": recogniser.vocabulary.choice.name,
        "decoders": decoder.name,
    }
    results = model_card.results(exp)
    described = Manifest(
        format=bundle.FORMAT,
        name=labels.name,
        licence=labels.licence,
        dstoolkit=__version__,
        checkpoint=stamp.digest(exp / "best.pt"),
        model=facts(recogniser, named),
        plugins=requirements.of(names),
        decoder_files={option: str(named.options[option]) for option in files},
    )
    card = model_card.render(described, results, labels.notes, out.name)
    contents = {bundle.CARD: card.encode(), bundle.RESULTS: _json(results), **contents}
    _check_names(exp, contents)
    manifest = Manifest(**{**vars(described), "members": {name: _member(each) for name, each in contents.items()}})
    with stamp.building(out, folder=False) as partial:
        stored_zip.write(partial, [(bundle.MANIFEST, manifest.text().encode()), *contents.items()])
        with bundle.Bundle(partial, out) as made:
            made.verify()  # files may have changed while they were read
        if out.exists() and not force and stamp.digest(out) != stamp.digest(partial):
            raise StampError(
                out, "is there already, and differs", "", "pass --force to replace it, or choose another --out"
            )
    return manifest


def taken_along(decoder: Choice) -> tuple[Choice, Mapping[str, Path]]:
    """The decoder naming members of the bundle, and the files by option. Raises ConfigError, DataError or Faults."""
    chosen, options = plugins.choose("decoders", decoder)
    files = chosen.inputs(options)
    values = config.plain(options)
    Faults.check(
        DataError(path, "no such file", f"decoder.{name} names it")
        for name, path in files.items()
        if not path.is_file()
    )
    Faults.check(
        ConfigError(
            f"decoder {decoder.name!r}",
            f"reads '{path}', which no option called {name!r} names",
            "",
            "pack with another decoder",
        )
        for name, path in files.items()
        if values.get(name) != str(path)
    )
    members = {name: f"{bundle.DECODER}{name}{_ending(path)}" for name, path in files.items()}
    return Choice(decoder.name, {**values, **members}), files


def _ending(path: Path) -> str:
    """``.arpa.gz``; readers may go by it. The rest of the name says things about the packer's folders."""
    endings = [each for each in path.suffixes if each[1:].isalnum()]
    return "".join(endings[-2:]).lower()


def _config(recogniser: Recogniser, decoder: Choice) -> bytes:
    values = config.plain(recogniser.experiment)
    for name in AUGMENT_FILES:
        values["augment"][name] = Path(values["augment"][name]).name
    encoder = plugins.choose("encoders", recogniser.experiment.encoder)[1]
    values["encoder"] = {"name": recogniser.experiment.encoder.name, **config.plain(encoder)}
    values["decoder"] = config.plain(decoder)
    return config.dump(values).encode()


def _json(values: Mapping[str, Any]) -> bytes:
    """Floats come back from it to the last bit. Raises DataError for what is no number."""
    try:
        return (json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except ValueError as error:
        raise DataError("best.pt", "its normalisation is not all numbers", "", "train again") from error


def _tokenizer(folder: Path) -> dict[str, Path]:
    files = sorted(each for each in folder.rglob("*") if each.is_file() and not each.name.startswith("."))
    names = {each.relative_to(folder).as_posix(): each for each in files}
    return {f"{bundle.TOKENIZER}{name}": each for name, each in names.items() if name != stamp.STAMP}


def weights(path: Path) -> bytes:
    """The weights in a checkpoint as safetensors, each tensor by itself. Raises DataError for what is no tensor."""
    from safetensors.torch import save

    found = checkpoint.load(path)["weights"]
    Faults.check(
        DataError(path, f"'{name}' is no tensor", "a bundle holds tensors alone")
        for name, each in found.items()
        if not isinstance(each, Tensor)
    )
    # Copies: two names of one tensor would be refused
    content: bytes = save({name: each.detach().contiguous().clone() for name, each in found.items()})
    return content


def facts(recogniser: Recogniser, decoder: Choice) -> dict[str, Any]:
    """What is inside, for people: in the manifest and the card."""
    extractor, model = recogniser.extractor, recogniser.model
    return {
        "parameters": sum(each.numel() for each in model.parameters()),
        "encoder": recogniser.experiment.encoder.name,
        "features": extractor["extractor"],
        "dim": extractor["dim"],
        "sample_rate": extractor["sample_rate"],
        "output_frame_shift": round(recogniser.frame_shift, 9),
        "normalisation": recogniser.cmvn.kind,
        "tokenizer": recogniser.vocabulary.choice.name,
        "vocabulary": recogniser.vocabulary.size,
        "decoder": decoder.name,
    }


def _member(content: bytes | Path) -> dict[str, Any]:
    if isinstance(content, Path):
        return {"size": content.stat().st_size, "sha256": stamp.digest(content)}
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _check_names(exp: Path, contents: Mapping[str, Any]) -> None:
    """A tokenizer of a plugin may call its files anything."""
    for name in contents:
        try:
            stored_zip.check_name(name)
        except stored_zip.Malformed as error:
            raise DataError(exp, f"a bundle cannot hold '{name}'", "expected letters, digits and '._+-'") from error
