"""``dstoolkit lm``."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import kenlm
import pytest

from dstoolkit.decoding.ngram import Ngram

LINES = ["go to the red house", "go to the blue house", "", "the red door is open", "go in"]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text("".join(f"{line}\n" for line in LINES), encoding="utf-8")
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    rows = (f"u{at} {line.upper()}".rstrip() + "\n" for at, line in enumerate(LINES))
    (folder / "text").write_text("".join(rows), encoding="utf-8")
    return folder


@pytest.fixture
def tokenizer(dstoolkit: Any, tmp_path: Path, data: Path) -> Path:
    dstoolkit("tokenizer", "train", data / "text", tmp_path / "tokenizer")
    return tmp_path / "tokenizer"


def test_train_and_score_as_kenlm_scores(dstoolkit: Any, tmp_path: Path, corpus: Path) -> None:
    out = tmp_path / "lm" / "lm.arpa"
    shown = dstoolkit("lm", "train", corpus, out, "--order", 2).stdout
    assert "13 1-grams, 15 2-grams; from 4 sentences, 17 words" in shown
    assert {each.name for each in out.parent.iterdir()} == {"lm.arpa", "lm.arpa.stamp.json"}
    tried = tmp_path / "try.txt"
    tried.write_text("go to the door\nthe green door\n\nhouse in is\n")
    found = json.loads(dstoolkit("lm", "score", out, tried, "--json", "--sentences").stdout)
    model = kenlm.Model(str(out))
    texts = ["go to the door", "the green door", "house in is"]
    assert [each["log10"] for each in found["by_sentence"]] == pytest.approx(list(map(model.score, texts)), abs=1e-4)
    assert [each["where"] for each in found["by_sentence"]] == [f"{tried}:{line}" for line in (1, 2, 4)]
    assert (found["sentences"], found["words"], found["unknown"]) == (3, 10, 1)
    assert found["log10"] == pytest.approx(sum(map(model.score, texts)), abs=1e-4)
    assert found["perplexity"] == pytest.approx(10 ** (-sum(map(model.score, texts)) / 13), rel=1e-4)
    known = sum(prob for text in texts for prob, _, unknown in model.full_scores(text) if not unknown)
    assert found["perplexity_without_unknown"] == pytest.approx(10 ** (-known / 12), rel=1e-4)
    shown = dstoolkit("lm", "score", out, tried).stdout
    assert f"{out}: order 2, 13 words" in shown
    assert "unknown words           1 (10.00 %)" in shown
    assert f"perplexity              {found['perplexity']:.2f}" in shown
    assert "try.txt:4\t" in dstoolkit("lm", "score", out, tried, "--sentences").stdout


def test_data_directories_files_and_gzip_make_the_same_model(
    dstoolkit: Any, tmp_path: Path, corpus: Path, data: Path, tokenizer: Path
) -> None:
    packed = tmp_path / "corpus.gz"
    packed.write_bytes(gzip.compress(corpus.read_bytes(), mtime=0))
    foreign = tmp_path / "foreign.txt"  # with a byte order mark
    foreign.write_bytes(b"\xef\xbb\xbf" + corpus.read_bytes().replace(b"\n", b"\r\n"))
    for name, given, options in [
        ("a.arpa", corpus, []),
        ("b.arpa", packed, []),
        ("f.arpa", foreign, []),
        ("c.arpa", data, ["--tokenizer", tokenizer]),
    ]:
        dstoolkit("lm", "train", given, tmp_path / name, *options)
    assert len({(tmp_path / f"{name}.arpa").read_bytes() for name in "abcf"}) == 1
    dstoolkit("lm", "train", corpus, tmp_path / "d.arpa.gz")
    assert gzip.decompress((tmp_path / "d.arpa.gz").read_bytes()) == (tmp_path / "a.arpa").read_bytes()
    both = dstoolkit("lm", "train", corpus, data, tmp_path / "e.arpa", "--tokenizer", tokenizer).stdout
    assert "from 8 sentences, 34 words" in both


def test_a_model_of_tokens(dstoolkit: Any, tmp_path: Path, data: Path, tokenizer: Path) -> None:
    out = tmp_path / "tokens.arpa"
    dstoolkit("lm", "train", data, out, "--order", 4, "--tokenizer", tokenizer, "--unit", "token")
    found = Ngram.load(out)
    assert set(found.words) == {"<unk>", "<s>", "</s>", "<space>", *"gotheredusblinp"}
    sentence = [*"go", "<space>", *"in"]
    scored = dstoolkit("lm", "score", out, data, "--tokenizer", tokenizer, "--unit", "token", "--sentences").stdout
    assert f"utterance 'u4'\t{found.score(sentence).total / math.log(10):.4f}\t5 tokens, 0 unknown" in scored


def test_the_same_command_again_is_done_and_another_is_refused(dstoolkit: Any, tmp_path: Path, corpus: Path) -> None:
    out = tmp_path / "lm.arpa"
    dstoolkit("lm", "train", corpus, out)
    before = out.stat().st_mtime_ns
    assert "done already" in dstoolkit("lm", "train", corpus, out, "--order", 3).stdout
    assert out.stat().st_mtime_ns == before
    assert "order was 3, now 2" in dstoolkit("lm", "train", corpus, out, "--order", 2, status=2).stderr
    assert "prune was" in dstoolkit("lm", "train", corpus, out, "--prune", "0 1", status=2).stderr
    corpus.write_text("other words\n")
    assert "input 'text 1' has changed" in dstoolkit("lm", "train", corpus, out, status=2).stderr
    dstoolkit("lm", "train", corpus, out, "--force")
    assert Ngram.load(out).words == ["<unk>", "<s>", "</s>", "other", "words"]


def test_pruning(dstoolkit: Any, tmp_path: Path, corpus: Path) -> None:
    shown = dstoolkit("lm", "train", corpus, tmp_path / "lm.arpa", "--prune", "0,1").stdout
    assert "13 1-grams, 5 2-grams, 2 3-grams" in shown
    assert "never fall" in dstoolkit("lm", "train", corpus, tmp_path / "x.arpa", "--prune", "1 0", status=2).stderr
    assert "'a b'" in dstoolkit("lm", "train", corpus, tmp_path / "x.arpa", "--prune", "a b", status=2).stderr


def test_a_tiny_text_is_enough_and_its_discounts_are_stated(dstoolkit: Any, tmp_path: Path, corpus: Path) -> None:
    corpus.write_text("yes no\nno\n")
    shown = dstoolkit("lm", "train", corpus, tmp_path / "lm.arpa", "--order", 2).stdout
    assert "note: order 1 is discounted by 0.5 1 1.5: no n-gram has an adjusted count of 3" in shown
    assert "note: order 2 is discounted by 0.5 1 1.5: " in shown


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "language model: a text without words"),
        (b"\n \n", "language model: a text without words"),
        (b"a b\nc \xff\n", "corpus.txt:2: byte 0xff at column 3; expected UTF-8 text"),
        (b"a b\nthe <s> sign\n", "corpus.txt:2: the word '<s>'"),
        (b"say <unk>\n", "corpus.txt:1: the word '<unk>'"),
        (gzip.compress(b"a b\n" * 100, mtime=0)[:-9], "corpus.txt: a broken gzip file"),
    ],
)
def test_texts_that_cannot_be_used(content: bytes, found: str, dstoolkit: Any, tmp_path: Path, corpus: Path) -> None:
    corpus.write_bytes(content)
    assert found in dstoolkit("lm", "train", corpus, tmp_path / "lm.arpa", status=2).stderr
    assert [each.name for each in tmp_path.iterdir()] == ["corpus.txt"]


def test_other_mistakes(dstoolkit: Any, tmp_path: Path, corpus: Path, data: Path, tokenizer: Path) -> None:
    out = tmp_path / "lm.arpa"
    forgotten = dstoolkit("lm", "train", data, corpus, status=2).stderr
    assert "expected a name that ends in '.arpa' or '.arpa.gz'" in forgotten
    assert "without --tokenizer" in dstoolkit("lm", "train", corpus, out, "--unit", "token", status=2).stderr
    assert f"{tmp_path}/text: no such file" in dstoolkit("lm", "train", tmp_path, out, status=2).stderr
    assert "no such folder" in dstoolkit("lm", "train", corpus, out, "--tokenizer", tmp_path / "x", status=2).stderr
    corpus.write_text("señor\n", encoding="utf-8")
    options = ["--tokenizer", tokenizer, "--unit", "token"]
    assert "'ñ' (U+00F1" in dstoolkit("lm", "train", corpus, out, *options, status=2).stderr
    assert not out.exists()
    out.write_text("\\data\\\nngram 1=2\n\n\\1-grams:\n-1 a\n0.5 b\n\n\\end\\\n")
    assert "lm.arpa:6: log10 probability 0.5" in dstoolkit("lm", "score", out, corpus, status=2).stderr
    corpus.write_text("\n")
    assert "corpus.txt: no sentences" in dstoolkit("lm", "score", out, corpus, status=2).stderr
