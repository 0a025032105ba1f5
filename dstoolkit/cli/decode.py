"""``dstoolkit decode``: a trained recogniser and features in, text out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstoolkit.interfaces import Command

if TYPE_CHECKING:
    from dstoolkit.interfaces import Hypothesis


class DecodeCommand(Command):
    name = "decode"
    help = "Turn features into text with a trained recogniser."

    @staticmethod
    def click_command() -> click.Command:
        return decode


FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command("decode")
@click.argument("exp", type=FOLDER)
@click.argument("data", type=FOLDER)
@click.option("--out", type=FOLDER, required=True, help="Folder for text and nbest.jsonl.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="decoder=NAME or decoder.OPTION=VALUE.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--force", is_flag=True, help="Decode anew, whatever OUT holds.")
def decode(exp: Path, data: Path, out: Path, overrides: tuple[str, ...], device: str, force: bool) -> None:
    """Decode the data directory DATA with the recogniser in EXP.

    OUT/text is a Kaldi text file (utterance, words); OUT/nbest.jsonl has each utterance's hypotheses with score, words,
    their times in seconds and confidences.

    \b
      dstoolkit decode exp/deepspeech data/test --out exp/deepspeech/decode_test
    """
    from dstoolkit import config, stamp
    from dstoolkit.data.archive import Archive
    from dstoolkit.errors import DataError
    from dstoolkit.pipeline.recognition import Recogniser, best_device

    for path, advice in (
        (exp / "best.pt", "run 'dstoolkit train' first"),
        (data / "features.h5", "run 'dstoolkit features extract' first"),
    ):
        if not path.exists():
            raise DataError(path, "no such file", "", advice)
    recogniser = Recogniser.load(exp, best_device(device))
    choice = decoder_choice(recogniser.experiment.decoder, overrides)
    inputs = {"best.pt": exp / "best.pt", "features.h5": data / "features.h5"}
    digests = {name: stamp.origin(path) for name, path in inputs.items()}
    wanted = stamp.Stamp("decode", {"decoder": config.plain(choice)}, digests)
    if stamp.is_done(out, wanted, force):
        click.echo(f"{out}: already done")
        return
    found = recognise(recogniser, Archive(data / "features.h5"), choice)
    with stamp.building(out, wanted) as partial:
        write(partial, found)
    click.echo(f"{out}: {len(found)} utterances decoded")


def decoder_choice(default: Any, overrides: tuple[str, ...]) -> Any:
    """The experiment's decoder, or what ``--set decoder...`` makes of it. Raises ConfigError for other sections."""
    from dstoolkit import config
    from dstoolkit.errors import ConfigError

    if not overrides:
        return default
    values = {"decoder": config.plain(default)}
    for override in overrides:
        config.override(values, override)
    for key in values:
        if key != "decoder":
            raise ConfigError(f"--set {key}", "not used in decoding", "expected decoder=NAME or decoder.OPTION=VALUE")
    return config.as_choice(values["decoder"], "--set: decoder")


def recognise(recogniser: Any, archive: Any, choice: Any) -> dict[str, list[Hypothesis]]:
    """Hypotheses by utterance id, sorted, with a progress bar."""
    from tqdm import tqdm

    decoder = recogniser.make_decoder(choice)
    results = recogniser.recognise(archive, decoder)
    total = len(archive.utterance_ids)
    return dict(sorted(tqdm(results, desc="decode", unit="utterance", total=total, leave=False, disable=None)))


def write(folder: Path, found: dict[str, list[Hypothesis]]) -> None:
    import json
    from dataclasses import asdict

    with (folder / "text").open("w", encoding="utf-8") as text, (folder / "nbest.jsonl").open("w") as nbest:
        for utterance_id, hypotheses in found.items():
            best = hypotheses[0].text if hypotheses else ""
            text.write(f"{utterance_id} {best}".rstrip() + "\n")
            row = {"utterance": utterance_id, "hypotheses": [asdict(each) for each in hypotheses]}
            nbest.write(json.dumps(row, ensure_ascii=False) + "\n")
