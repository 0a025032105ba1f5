"""``dstoolkit score``: hypotheses against references, into ``wer.txt`` and ``wer.json``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstoolkit.cli.text_options import EXISTING, text_options
from dstoolkit.interfaces import Command

if TYPE_CHECKING:
    from dstoolkit.scoring.wer import Report
    from dstoolkit.stamp import Stamp

TEXT_FILE, JSON_FILE = "wer.txt", "wer.json"


class ScoreCommand(Command):
    name = "score"
    help = "Score hypotheses against references: WER, CER."

    @staticmethod
    def click_command() -> click.Command:
        return score_command


@click.command("score")
@click.option("--ref", type=EXISTING, required=True, help="What was said: a Kaldi 'text' file, or a .trn file.")
@click.option("--hyp", type=EXISTING, required=True, help="What was recognised, in the same form.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the reports.")
@click.option("--utt2spk", type=EXISTING, help="Kaldi 'utt2spk': who speaks, for figures by speaker.")
@text_options
@click.option("--force", is_flag=True, help="Score anew even where reports of something else exist.")
def score_command(
    ref: Path,
    hyp: Path,
    out: Path,
    utt2spk: Path | None,
    force: bool,
    **texts: Any,
) -> None:
    """Score hypotheses against references: word, character and sentence error rates.

    Writes wer.txt (tables to paste, and the worst utterances aligned) and wer.json (every figure) into --out, and
    prints the totals. Utterances are joined by id: one that either side lacks is an error, an empty hypothesis counts
    as deletions. Texts are compared as they stand unless --case, --punctuation, --glm or --config say what to do to
    both sides first, so that the references' commas and capitals do not count as errors of the recogniser.

    \b
      dstoolkit score --ref data/test/text --hyp exp/first/decode_test/text --out exp/first/decode_test
      dstoolkit score --ref ref.trn --hyp hyp.trn --utt2spk data/test/utt2spk --out scores --case lower
    """
    from dstoolkit import stamp
    from dstoolkit.pipeline import transcripts
    from dstoolkit.scoring import report as reports

    treatment = transcripts.choose(**texts)
    made = _stamp(ref, hyp, utt2spk, treatment.as_dict())
    done = stamp.is_done(out / JSON_FILE, made, force) and (out / TEXT_FILE).exists()
    report, read = transcripts.score(ref, hyp, treatment, utt2spk)
    if done:
        click.echo(f"{out / TEXT_FILE}: done already\n")
    else:
        _write(report, out, made, read.note)
        click.echo(f"{out / TEXT_FILE}: {len(report.utterances)} utterances scored\n")
    click.echo(reports.head(report, read.note), nl=False)


def _stamp(ref: Path, hyp: Path, utt2spk: Path | None, texts: dict[str, Any]) -> Stamp:
    from dstoolkit import stamp

    inputs = {"--ref": ref, "--hyp": hyp} | ({"--utt2spk": utt2spk} if utt2spk else {})
    return stamp.Stamp(
        "score", {"texts": texts or "as they stand"}, {name: stamp.digest(path) for name, path in inputs.items()}
    )


def _write(report: Report, out: Path, made: Stamp, note: str) -> None:
    """Both files and then their stamp, so that a run killed in between counts as none."""
    from dstoolkit import stamp
    from dstoolkit.scoring import report as reports

    out.mkdir(parents=True, exist_ok=True)
    stamp.remove(stamp.stamp_path(out / JSON_FILE))
    stamp.write_text(out / TEXT_FILE, reports.text(report, note))
    stamp.write_text(out / JSON_FILE, reports.as_json(report, note))
    stamp.write(out / JSON_FILE, made)
