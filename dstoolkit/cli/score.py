"""``dstoolkit score``: hypotheses against references, into a folder of reports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstoolkit.cli.groups import CommandWithSubcommands
from dstoolkit.cli.score_compare import compare_command
from dstoolkit.cli.score_page import PAGE_FILE, SoundSources, page, page_options
from dstoolkit.cli.text_options import EXISTING, alignment_option, text_options
from dstoolkit.interfaces import Command

if TYPE_CHECKING:
    from dstoolkit.pipeline.transcripts import Transcripts
    from dstoolkit.scoring.align import Mode
    from dstoolkit.scoring.wer import Report
    from dstoolkit.stamp import Stamp

TEXT_FILE, JSON_FILE = "wer.txt", "wer.json"
REF_FILE, HYP_FILE, ALIGNED_FILE = "ref.trn", "hyp.trn", "wer.pra"
FILES = (TEXT_FILE, PAGE_FILE, REF_FILE, HYP_FILE, ALIGNED_FILE, JSON_FILE)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


class ScoreCommand(Command):
    name = "score"
    help = "Score hypotheses against references: WER, CER, TER."

    @staticmethod
    def click_command() -> click.Command:
        return score_command


@click.command("score", cls=CommandWithSubcommands, subcommands=[compare_command])
@click.option("--ref", type=EXISTING, required=True, help="What was said: a Kaldi 'text' file, or a .trn file.")
@click.option("--hyp", type=EXISTING, required=True, help="What was recognised, in the same form.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the reports.")
@click.option("--utt2spk", type=EXISTING, help="Kaldi 'utt2spk': who speaks, for figures by speaker.")
@alignment_option
@click.option("--tokenizer", type=FOLDER, help="A tokenizer's folder: count errors in its tokens too.")
@text_options
@page_options
@click.option("--force", is_flag=True, help="Score anew even where reports of something else exist.")
def score_command(
    ref: Path,
    hyp: Path,
    out: Path,
    utt2spk: Path | None,
    alignment: Mode,
    tokenizer: Path | None,
    audio: Path | None,
    ctm: Path | None,
    audio_utterances: int | None,
    force: bool,
    **texts: Any,
) -> None:
    """Score hypotheses against references: word, character, token and sentence error rates.

    Writes into --out and prints the totals: wer.txt (tables to paste, and the worst utterances aligned), report.html (a
    page to read, sort and filter; with --audio, to hear), wer.json (every figure), wer.pra (every utterance aligned, as
    sclite shows it), and ref.trn and hyp.trn (the texts as they were compared, for sclite -i rm). Utterances are joined
    by id: one that either side lacks is an error, an empty hypothesis counts as deletions. Texts are compared as they
    stand unless --case, --punctuation, --glm or --config say what to do to both sides first, so that the references'
    commas and capitals do not count as errors of the recogniser.

    \b
      dstoolkit score --ref data/test/text --hyp exp/first/decode_test/text --out exp/first/decode_test
      dstoolkit score --ref ref.trn --hyp hyp.trn --utt2spk data/test/utt2spk --out scores --case lower
      dstoolkit score --ref ref.trn --hyp hyp.trn --out scores --alignment sclite --tokenizer data/tokenizer
      dstoolkit score --ref data/test/text --hyp exp/first/decode_test/text --out scores --audio data/test
    """
    from dstoolkit import stamp
    from dstoolkit.data import tables
    from dstoolkit.pipeline import transcripts
    from dstoolkit.scoring import report as reports

    inputs = {"--ref": ref, "--hyp": hyp, "--utt2spk": utt2spk, "--tokenizer": tokenizer}
    sound = SoundSources.choose(hyp, audio, ctm, audio_utterances)
    inputs |= sound.inputs() if sound else {}
    stamp.spare_inputs(inputs, out, FILES, "a report")
    treatment = transcripts.choose(**texts)
    settings = {"alignment": alignment, "texts": treatment.as_dict() or "as they stand"}
    made = _stamp(inputs, settings | ({"--audio-utterances": sound.utterances} if sound else {}))
    done = stamp.is_done(out / JSON_FILE, made, force) and all((out / name).exists() for name in FILES)
    report, read = transcripts.score(ref, hyp, treatment, utt2spk, alignment, tokenizer)
    if done:
        click.echo(f"{out / TEXT_FILE}: done already\n")
    else:
        contents = _contents(report, read, hyp) | {PAGE_FILE: page(report, ref, hyp, read.note, sound)}
        _write(contents, out, made)
        click.echo(f"{out / TEXT_FILE}: {tables.count(len(report.utterances), 'utterance')} scored\n")
    click.echo(reports.head(report, read.note), nl=False)


def _stamp(inputs: Mapping[str, Path | None], config: dict[str, Any]) -> Stamp:
    from dstoolkit import stamp

    return stamp.Stamp("score", config, {name: stamp.digest(path) for name, path in inputs.items() if path})


def _contents(report: Report, read: Transcripts, hyp: Path) -> dict[str, str]:
    """What each of ``FILES`` but the page holds."""
    from dstoolkit.scoring import pra, sclite, trn
    from dstoolkit.scoring import report as reports

    ids = [sclite.trn_id(each.id, each.speaker) for each in report.utterances]
    return {
        TEXT_FILE: reports.text(report, read.note),
        REF_FILE: trn.lines(zip(ids, (each.reference for each in report.utterances), strict=True)),
        HYP_FILE: trn.lines(zip(ids, (each.hypothesis for each in report.utterances), strict=True)),
        ALIGNED_FILE: pra.text(report, str(hyp)),
        JSON_FILE: reports.as_json(report, read.note, read.treatment),
    }


def _write(contents: Mapping[str, str], out: Path, made: Stamp) -> None:
    """All files and then their stamp, so that a run killed in between counts as none."""
    from dstoolkit import stamp

    out.mkdir(parents=True, exist_ok=True)
    stamp.remove(stamp.stamp_path(out / JSON_FILE))
    for name in FILES:
        stamp.write_text(out / name, contents[name])
    stamp.write(out / JSON_FILE, made)
