"""``dstoolkit score compare``: whether one of two systems is better, and how sure that is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from dstoolkit.cli.text_options import EXISTING, alignment_option, text_options

if TYPE_CHECKING:
    from dstoolkit.scoring.align import Mode
    from dstoolkit.scoring.comparison import Comparison, System

SCORES = "wer.json"  # in a score folder
TEXT_FILE, JSON_FILE = "compare.txt", "compare.json"
FOLDER = click.Path(file_okay=False, path_type=Path)
LEVEL = click.FloatRange(0, 1, min_open=True, max_open=True)
INPUT = click.Path(exists=True, path_type=Path)
FLAGS = {
    "case": "--case",
    "punctuation": "--punctuation",
    "rules": "--glm",
    "config_path": "--config",
    "overrides": "--set",
}  # the keywords of text_options


@click.command("compare")
@click.argument("a", type=INPUT)
@click.argument("b", type=INPUT)
@click.option("--ref", type=EXISTING, help="What was said, where A and B are files: a Kaldi 'text' or a .trn file.")
@click.option("--utt2spk", type=EXISTING, help="Kaldi 'utt2spk', where A and B are files.")
@alignment_option
@text_options
@click.option("--level", type=LEVEL, default=0.95, show_default=True, help="Confidence level of intervals and test.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap's random numbers.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON with every figure.")
@click.option("--out", type=FOLDER, help="Write compare.txt and compare.json into this folder too.")
@click.option("--force", is_flag=True, help="Compare anew even where --out holds a comparison of something else.")
def compare_command(
    a: Path,
    b: Path,
    ref: Path | None,
    utt2spk: Path | None,
    alignment: Mode,
    level: float,
    seed: int,
    as_json: bool,
    out: Path | None,
    force: bool,
    **texts: Any,
) -> None:
    """Compare two systems on the same test: is B better than A, and how sure is that?

    A and B are folders that 'dstoolkit score' wrote wer.json into, or files of hypotheses, which --ref scores first.
    Prints both WERs; the interval of their difference and how often B is better, by a bootstrap over utterances and
    over speakers; and the matched-pairs test MAPSSWE of NIST's sc_stats. Both must be scored alike, on the same
    references.

    \b
      dstoolkit score compare exp/greedy/decode_test exp/beam/decode_test
      dstoolkit score compare greedy/text beam/text --ref data/test/text --utt2spk data/test/utt2spk --case lower
    """
    from dstoolkit.scoring import comparison

    chosen = click.get_current_context().get_parameter_source("alignment") is ParameterSource.COMMANDLINE
    of_files = {"--ref": ref, "--utt2spk": utt2spk, "--alignment": chosen}
    _check(a, b, of_files | {FLAGS[name]: each for name, each in texts.items()})
    first, second = _systems(a, b, ref, utt2spk, alignment, texts)
    found = comparison.compare(first, second, level=level, seed=seed)
    if out is not None:
        _write(found, out, {"A": a, "B": b, "--ref": ref, "--utt2spk": utt2spk}, force)
    click.echo(comparison.as_json(found) if as_json else comparison.text(found), nl=False)


def _check(a: Path, b: Path, for_files: dict[str, Any]) -> None:
    """Raises DataError or Faults where A, B and the options that are for files do not go together."""
    from dstoolkit.errors import DataError, DstoolkitError, Faults

    faults: list[DstoolkitError] = []
    if a.is_dir() != b.is_dir():
        folder, file = (a, b) if a.is_dir() else (b, a)
        raise DataError(file, "a file", f"expected a score folder, as '{folder}' is", "give two of a kind")
    if a.is_dir():
        expected = "expected options of files only with files"
        given = [name for name, each in for_files.items() if each]
        faults += [DataError(name, f"given, but '{a}' is a score folder", expected) for name in given]
        wanted = f"expected '{SCORES}'"
        missing = [each for each in (a, b) if not (each / SCORES).exists()]
        faults += [DataError(each, "no scores", wanted, "run 'dstoolkit score --out' first") for each in missing]
    elif not for_files["--ref"]:
        faults.append(DataError("--ref", "missing", f"expected the references of '{a}' and '{b}'"))
    Faults.check(faults)


def _systems(
    a: Path, b: Path, ref: Path | None, utt2spk: Path | None, alignment: Mode, texts: dict[str, Any]
) -> list[System]:
    from dstoolkit.pipeline import transcripts
    from dstoolkit.scoring import comparison

    if ref is None:
        return [comparison.read(each / SCORES, str(each)) for each in (a, b)]
    treatment = transcripts.choose(**texts)
    scored = [transcripts.score(ref, each, treatment, utt2spk, alignment) for each in (a, b)]
    return [
        comparison.System.of(report, str(each), read.treatment, read.note)
        for each, (report, read) in zip((a, b), scored, strict=True)
    ]


def _write(found: Comparison, out: Path, inputs: dict[str, Path | None], force: bool) -> None:
    """Both files and then their stamp; nothing where they are there already. Raises DataError or Faults where they
    would take the place of what was compared."""
    from dstoolkit import stamp
    from dstoolkit.scoring import comparison

    stamp.spare_inputs(inputs, out, (TEXT_FILE, JSON_FILE), "a comparison")
    files = {name: path / SCORES if path.is_dir() else path for name, path in inputs.items() if path}
    config = {
        "level": found.level,
        "seed": found.seed,
        "alignment": found.a.alignment,
        "texts": dict(found.a.texts) or "as they stand",
    }
    made = stamp.Stamp("score compare", config, {name: stamp.digest(path) for name, path in files.items()})
    if stamp.is_done(out / JSON_FILE, made, force) and (out / TEXT_FILE).exists():
        return
    out.mkdir(parents=True, exist_ok=True)
    stamp.remove(stamp.stamp_path(out / JSON_FILE))
    stamp.write_text(out / TEXT_FILE, comparison.text(found))
    stamp.write_text(out / JSON_FILE, comparison.as_json(found))
    stamp.write(out / JSON_FILE, made)
