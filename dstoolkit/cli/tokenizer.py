"""``dstoolkit tokenizer``: learn a vocabulary from transcripts, and try it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dstoolkit.interfaces import Command

if TYPE_CHECKING:
    from dstoolkit.pipeline.vocabulary import Sections, Unknown, Vocabulary

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
SHOWN = 10  # dropped characters; the rest are counted


class TokenizerCommand(Command):
    name = "tokenizer"
    help = "Train and use tokenizers."

    @staticmethod
    def click_command() -> click.Command:
        return tokenizer_group


@click.group("tokenizer")
def tokenizer_group() -> None:
    """Turn text into token ids and back: characters or subword pieces, and how text is normalised first.

    \b
      dstoolkit tokenizer train data/train/text data/tokenizer
      dstoolkit tokenizer encode data/tokenizer "hello world"
      dstoolkit tokenizer decode data/tokenizer 8 5 12 12 15
    """


@tokenizer_group.command("train")
@click.argument("text", type=EXISTING)
@click.argument("out", type=FOLDER)
@click.option("--config", "config_path", type=EXISTING, help="YAML file; its sections 'text' and 'tokenizer' count.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override it: --set tokenizer=characters.")
@click.option("--force", is_flag=True, help="Make OUT anew even where it was made from something else.")
def train_command(text: Path, out: Path, config_path: Path | None, overrides: tuple[str, ...], force: bool) -> None:
    """Learn a vocabulary from TEXT, a Kaldi 'text' file, into the folder OUT.

    The section 'text' says how transcripts are normalised, 'tokenizer' into what they are cut. Without them: lower
    case, no punctuation, and the characters a to z, space and apostrophe. A character that no token covers is
    refused, with its count, unless text.unknown is 'drop'.

    \b
      dstoolkit tokenizer train data/train/text data/tokenizer
      dstoolkit tokenizer train data/train/text data/tokenizer --set tokenizer.characters=derive
      dstoolkit tokenizer train data/train/text data/tokenizer --set text.numbers=spell --set text.language=es
      dstoolkit tokenizer train data/train/text data/tokenizer \\
          --set tokenizer.name=sentencepiece --set tokenizer.vocab_size=200 --set tokenizer.model_type=bpe
    """
    from dstoolkit import config, stamp
    from dstoolkit.pipeline.vocabulary import Sections, Vocabulary

    sections = Sections.of(config.load(config_path, overrides), str(config_path or "--set"))
    made = stamp.Stamp("tokenizer train", _settings(sections), {"text": stamp.digest(text)})
    if stamp.is_done(out, made, force):
        click.echo(f"{out}: done already: {_summary(Vocabulary.load(out))}")
        return
    vocabulary, dropped = _train(sections, text)
    with stamp.building(out, made) as partial:
        vocabulary.save(partial)
    click.echo(f"{out}: {_summary(vocabulary)}")
    _show_dropped(dropped)


def _settings(sections: Sections) -> dict[str, object]:
    """Both sections with their defaults, so that saying a default or not is the same."""
    from dstoolkit import config, plugins

    _, options = plugins.choose("tokenizers", sections.tokenizer)
    tokenizer = {"name": sections.tokenizer.name, **config.plain(options)}
    return {"text": config.plain(sections.text), "tokenizer": tokenizer}


def _train(sections: Sections, path: Path) -> tuple[Vocabulary, list[Unknown]]:
    from dstoolkit.data import datadir
    from dstoolkit.pipeline.vocabulary import Vocabulary

    texts = datadir.read_text(path)
    vocabulary = Vocabulary.train(sections.text, sections.tokenizer, texts.values())
    return vocabulary, vocabulary.check(texts, path)


def _summary(vocabulary: Vocabulary) -> str:
    return f"{vocabulary.size} tokens ({vocabulary.choice.name}; {vocabulary.normalization})"


def _show_dropped(dropped: list[Unknown]) -> None:
    for each in dropped[:SHOWN]:
        click.echo(f"dropped: {each}")
    if len(dropped) > SHOWN:
        click.echo(f"dropped: and {len(dropped) - SHOWN} more characters")


@tokenizer_group.command("encode")
@click.argument("tokenizer", type=FOLDER)
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
def encode_command(tokenizer: Path, texts: tuple[str, ...]) -> None:
    """Print the token ids of each TEXT, normalised first, or of each line of standard input.

    \b
      dstoolkit tokenizer encode data/tokenizer "hello world" "good bye"
      cut -d' ' -f2- data/dev/text | dstoolkit tokenizer encode data/tokenizer
    """
    from dstoolkit.pipeline.vocabulary import Vocabulary

    vocabulary = Vocabulary.load(tokenizer)
    for text in texts or _lines():
        click.echo(" ".join(map(str, vocabulary.encode(text))))


@tokenizer_group.command("decode")
@click.argument("tokenizer", type=FOLDER)
@click.argument("ids", nargs=-1, type=int, metavar="[ID]...")
def decode_command(tokenizer: Path, ids: tuple[int, ...]) -> None:
    """Print the text of token IDs, or of those on each line of standard input. Blanks (0) are skipped.

    \b
      dstoolkit tokenizer decode data/tokenizer 8 5 12 12 15
      dstoolkit tokenizer encode data/tokenizer hello | dstoolkit tokenizer decode data/tokenizer
    """
    from dstoolkit.pipeline.vocabulary import Vocabulary

    vocabulary = Vocabulary.load(tokenizer)
    for line in [ids] if ids else map(_ids, _lines()):
        click.echo(vocabulary.decode(line))


def _lines() -> Iterator[str]:
    """Standard input line by line. Raises DataError where it is not UTF-8."""
    from dstoolkit.errors import DataError

    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            yield line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise DataError(f"standard input:{number}", "not UTF-8 text") from error


def _ids(line: str) -> list[int]:
    from dstoolkit.errors import DataError

    try:
        return [int(each) for each in line.split()]
    except ValueError as error:
        raise DataError("standard input", f"{line!r}", "expected token ids between blanks") from error
