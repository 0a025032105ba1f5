"""The model card of a bundle, its ``README.md``, and the results that it tells.

Results are those of the weights that are packed: the validation that chose them, and every ``decode_*/wer.json`` of
``exp/TAG`` whose decoding was stamped with these very weights. Others are left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dstoolkit import stamp
from dstoolkit.errors import DataError
from dstoolkit.pipeline import checkpoint

if TYPE_CHECKING:
    from dstoolkit.pipeline.bundle import Manifest


def results(exp: Path) -> dict[str, Any]:
    """``training``, ``tests`` (by folder) and ``left_out`` (folders whose scores are of other weights)."""
    best = stamp.digest(exp / "best.pt")
    tests: dict[str, Any] = {}
    left_out = []
    for path in sorted(exp.glob("decode_*/wer.json")):
        made = stamp.read(path.parent)
        if made is None or made.inputs.get("best.pt") != best:
            left_out.append(path.parent.name)
            continue
        tests[path.parent.name] = {**_scores(path), "decoder": made.config.get("decoder", {}).get("name", "")}
    return {"training": training(exp), "tests": tests, "left_out": left_out}


def _scores(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        chosen = {name: _rate(found[name]) for name in ("wer", "cer", "ser")}
        return {**chosen, "interval": found["intervals"]["utterances"]}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(path, "not a report of 'dstoolkit score'", "", "score again, or move it away") from error


def _rate(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("rate", "errors", "reference_length")}


def training(exp: Path) -> dict[str, Any]:
    """The validation of ``best.pt``, and how many epochs there were by then. Rates are in per cent."""
    metrics = checkpoint.load(exp / "best.pt").get("metrics", {})
    lines = (exp / "metrics.jsonl").read_text(encoding="utf-8").splitlines() if (exp / "metrics.jsonl").exists() else []
    names = ("epoch", "dev_loss", "dev_wer", "dev_cer", "averaged")
    kept = {name: metrics[name] for name in names if name in metrics}
    defined = {
        name: None if isinstance(each, float) and not math.isfinite(each) else each for name, each in kept.items()
    }
    return {**defined, "epochs": len([each for each in lines if each]), "finished": stamp.read(exp) is not None}


def render(manifest: Manifest, found: Mapping[str, Any], notes: str, file: str) -> str:
    """The card in Markdown."""
    rows = [f"| {name} | {value} |" for name, value in describe(manifest).items()]
    parts = [
        f"# {manifest.name}",
        f"A speech recogniser made with dstoolkit {manifest.dstoolkit}.",
        "\n".join(["| | |", "|---|---|", *rows]),
        "## Results",
        "\n".join(told(found)),
        *([notes.strip()] if notes.strip() else []),
        "## Use",
        f"    pip install {' '.join(each.distribution for each in manifest.plugins)}\n"
        f"    dstoolkit model verify {file}\n"
        f"    dstoolkit transcribe {file} recording.wav",
    ]
    return "\n\n".join(parts) + "\n"


def describe(manifest: Manifest) -> dict[str, str]:
    """The bundle in a few lines, label -> value: for the card and for 'dstoolkit model show'."""
    model = manifest.model
    audio = f"audio of {model['sample_rate']} Hz" if model["sample_rate"] else "no audio: features computed elsewhere"
    needs = "; ".join(f"{each.distribution} {each.version} ({_by_kind(each.needs)})" for each in manifest.plugins)
    files = f", with {', '.join(manifest.decoder_files)}" if manifest.decoder_files else ""
    return {
        "licence": manifest.licence,
        "hears": f"{audio}; {model['features']}, {model['dim']} values a frame, normalised: {model['normalisation']}",
        "encoder": f"{model['encoder']}, {model['parameters']:,} parameters with the output layer",
        "writes": f"{model['vocabulary']} tokens ({model['tokenizer']}), one each {model['output_frame_shift']:g} s",
        "decoder": f"{model['decoder']}{files}",
        "needs": needs,
    }


def _by_kind(needs: Mapping[str, Any]) -> str:
    return ", ".join(f"{kind}: {' '.join(names)}" for kind, names in needs.items())


def told(found: Mapping[str, Any]) -> list[str]:
    """The results, a line each, as items of a Markdown list."""
    trained, lines = found["training"], []
    if trained.get("dev_wer") is not None:
        state = "" if trained["finished"] else ", the training not finished"
        how = f"an average of {trained['averaged']} epochs" if "averaged" in trained else f"epoch {trained['epoch']}"
        lines.append(
            f"- validation, {how} of {trained['epochs']}{state}: WER {trained['dev_wer']:.1f} %, "
            f"CER {trained['dev_cer']:.1f} %"
        )
    for name, scores in found["tests"].items():
        lines.append(
            f"- {name}, decoder {scores['decoder']}: WER {_percent(scores['wer'])}{_range(scores['interval'])}, "
            f"CER {_percent(scores['cer'])}, {scores['wer']['reference_length']} words"
        )
    return lines or ["- none: it was not tested before it was packed"]


def _percent(scores: Mapping[str, Any]) -> str:
    return "undefined" if scores["rate"] is None else f"{100 * scores['rate']:.2f} %"


def _range(interval: Mapping[str, Any]) -> str:
    return f" ({100 * interval['low']:.2f} to {100 * interval['high']:.2f}, {interval['level']:.0%} interval)"
