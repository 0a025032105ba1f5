"""``dstoolkit decode`` on the toy corpus: what it writes, that processes change nothing, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from dstoolkit.data import datadir
from dstoolkit.data.archive import Archive
from tests import toy

FILES = {"text", "nbest.jsonl", "ctm", "stamp.json"}


def hypotheses(out: Path) -> dict[str, list[dict[str, Any]]]:
    rows = [json.loads(line) for line in (out / "nbest.jsonl").read_text(encoding="utf-8").splitlines()]
    return {row["utterance"]: row["hypotheses"] for row in rows}


def contents(out: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in out.iterdir()}


BEAM = ["--beam", "12", "--nbest", "4", "--alpha", "0.5", "--beta", "0.5"]


@pytest.fixture(scope="module")
def decoded(toys: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dev set, decoded with the language model."""
    from tests.conftest import Command

    out = tmp_path_factory.mktemp("decoded") / "out"
    Command()("decode", toys / "exp", toys / "dev", "--lm", toys / "lm.arpa", *BEAM, "--out", out)
    return out


def test_the_files_agree_with_each_other(toys: Path, decoded: Path) -> None:
    archive = Archive(toys / "dev/features.h5")
    assert {each.name for each in decoded.iterdir()} == FILES
    texts, found = datadir.read_text(decoded / "text"), hypotheses(decoded)
    assert list(texts) == list(found) == sorted(archive.utterance_ids)
    ctm = [line.split() for line in (decoded / "ctm").read_text().splitlines()]
    for utterance, ranked in found.items():
        assert 1 <= len(ranked) <= 4
        assert [each["score"] for each in ranked] == sorted((each["score"] for each in ranked), reverse=True)
        assert ranked[0]["text"] == texts[utterance]
        spoken = [row for row in ctm if row[0] == utterance]
        assert [row[4] for row in spoken] == texts[utterance].split()
        assert [float(row[2]) for row in spoken] == pytest.approx(
            [each["start"] for each in ranked[0]["words"]], abs=6e-4
        )
        end = archive.durations[archive.index(utterance)]
        for each in ranked:
            assert [word["text"] for word in each["words"]] == each["text"].split()
            assert all(0 <= word["start"] <= word["end"] <= end for word in each["words"])
            assert all(0 <= word["confidence"] <= 1 for word in each["words"])
            assert len(each["tokens"]) == len(each["frames"]) == len(each["confidences"])
            words = each["text"].split()
            unknown = sum(word not in toy.WORDS for word in words)
            expected = each["am"] + 0.5 * each["lm"] + 0.5 * len(words) - 10 * unknown
            assert each["score"] == pytest.approx(expected, abs=2e-3)


def test_a_model_of_the_words_makes_words(toys: Path, decoded: Path, dev: Path, dstoolkit: Any) -> None:
    dstoolkit("decode", toys / "exp", dev, "--out", dev / "greedy")
    errors = []
    for out in (dev / "greedy", decoded):
        words = Counter(word for text in datadir.read_text(out / "text").values() for word in text.split())
        errors.append(sum(count for word, count in words.items() if word not in toy.WORDS))
    assert errors[1] <= errors[0]
    assert errors[1] == 0


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], BEAM])
def test_processes_change_no_byte(
    toys: Path, dev: Path, dstoolkit: Any, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    command = ["decode", toys / "exp", dev, *options, "--out"]
    dstoolkit(*command, dev / "one")
    dstoolkit(*command, dev / "two", "--nj", "2")
    dstoolkit(*command, dev / "kept", "--outputs", dev / "outputs.h5")
    again = dstoolkit(*command, dev / "again", "--outputs", dev / "outputs.h5", "--nj", "2").stdout
    assert f"{dev / 'outputs.h5'}: has the network's outputs; it is not run again\n" in again
    for each in ("two", "kept", "again"):
        assert contents(dev / each) == contents(dev / "one")


def test_done_once_and_what_is_made_differently_is_refused(toys: Path, dev: Path, dstoolkit: Any) -> None:
    lm = shutil.copy(toys / "lm.arpa", dev / "lm.arpa")
    command = ["decode", toys / "exp", dev, "--out", dev / "out"]
    assert ": 6 utterances decoded (" in dstoolkit(*command, "--lm", lm).stdout
    assert dstoolkit(*command, "--lm", lm).stdout == f"{dev / 'out'}: already done\n"
    assert dstoolkit(*command, "--lm", lm, "--beam", "100", "--nj", "2").stdout.endswith("already done\n")
    said = dstoolkit(*command, "--lm", lm, "--beam", "50", status=2).stderr
    assert "was made differently: decoder.beam was 100, now 50; pass --force to make it anew" in said
    Path(lm).write_text(Path(lm).read_text().replace("-0.9\tlo", "-0.8\tlo"))
    assert "input 'decoder.lm' has changed" in dstoolkit(*command, "--lm", lm, status=2).stderr
    assert "decoded" in dstoolkit(*command, "--lm", lm, "--force").stdout


def test_recordings_and_their_time_by_segments(toys: Path, dev: Path, dstoolkit: Any) -> None:
    command = ["decode", toys / "exp", dev, "--out"]
    dstoolkit(*command, dev / "plain")
    starts = {"u000": 40.0, "u001": 20.5, "u002": 0.0, "u003": 7.25, "u004": 1.0, "u005": 30.0}
    (dev / "segments").write_text("".join(f"{each} tape {start} {start + 5}\n" for each, start in starts.items()))
    dstoolkit(*command, dev / "cut")
    assert (dev / "cut/text").read_text() == (dev / "plain/text").read_text()
    rows = [[line.split() for line in (dev / name / "ctm").read_text().splitlines()] for name in ("plain", "cut")]
    moved = sorted((float(row[2]) + starts[row[0]], row[4]) for row in rows[0])
    assert [(pytest.approx(float(row[2]), abs=1e-6), row[4]) for row in rows[1]] == moved
    assert {row[0] for row in rows[1]} == {"tape"}
    assert "input 'segments' has changed" in dstoolkit(*command, dev / "plain", status=2).stderr


def test_the_best_of_a_tuning_is_a_configuration(toys: Path, dev: Path, dstoolkit: Any) -> None:
    (dev / "best.yaml").write_text(f"decoder: {{name: beam, lm: {toys / 'lm.arpa'}, beam: 12, alpha: 0.5}}\n")
    dstoolkit("decode", toys / "exp", dev, "--config", dev / "best.yaml", "--set", "decoder.beta=0.5", "--nbest",
              "4", "--out", dev / "out")  # fmt: skip
    same = ["--lm", toys / "lm.arpa", *BEAM, "--out", dev / "out"]
    assert dstoolkit("decode", toys / "exp", dev, *same).stdout.endswith("already done\n")


def test_options_of_the_search_choose_it(toys: Path, dev: Path, dstoolkit: Any) -> None:
    (dev / "named.yaml").write_text(f"decoder: {{name: beam, lm: {toys / 'lm.arpa'}, hotwords: {{ken lo: 3}}}}\n")
    dstoolkit("decode", toys / "exp", dev, "--config", dev / "named.yaml", "--out", dev / "out")
    same = ["--lm", toys / "lm.arpa", "--set", "decoder.hotwords={ken lo: 3}", "--out", dev / "out"]
    assert dstoolkit("decode", toys / "exp", dev, *same).stdout.endswith("already done\n")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--set", "decoder.beem=3"], "decoder.beem: no such option"),
        (["--set", "decoder=greedy", "--lm", "x.arpa"], "--lm: decoder 'greedy' has no option 'lm'; choose one that"),
        (["--lm", "x.arpa"], "x.arpa: no such file; decoder option 'lm' names it"),
        (["--config", "x.yaml"], "x.yaml: no such file or directory; expected a YAML file"),
        (["--set", "seed=3"], "--set seed=3: not used in decoding"),
        (["--beam", "0"], "beam: 0; expected at least 1"),
        (["--nj", "0"], "0 is not in the range x>=1"),
        (["--device", "cuda", "--nj", "2"], "--nj: 2 processes on 'cuda'; expected 1 where a GPU computes; leave --nj"),
    ],
)
def test_bad_options(
    toys: Path, dev: Path, dstoolkit: Any, monkeypatch: pytest.MonkeyPatch, options: list[str], says: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    command = ["decode", toys / "exp", dev, "--device", "cpu", *options, "--out", dev / "out"]
    assert says in dstoolkit(*command, status=2).stderr
    assert not (dev / "out").exists()


def test_a_language_model_for_other_texts(toys: Path, dev: Path, dstoolkit: Any) -> None:
    text = (toys / "lm.arpa").read_text()
    (dev / "lm.arpa").write_text("".join(line.upper() if "\t" in line else line for line in text.splitlines(True)))
    command = ["decode", toys / "exp", dev, "--lm", dev / "lm.arpa", "--out", dev / "out"]
    assert "characters that no token has" in dstoolkit(*command, status=2).stderr
    assert "characters that no token has" in dstoolkit(*command, "--nj", "2", status=2).stderr
    assert "characters that no token has" in dstoolkit(*command, "--outputs", dev / "outputs.h5", status=2).stderr
    assert not (dev / "out").exists()
    assert not (dev / "outputs.h5").exists()


def test_missing_files(toys: Path, dev: Path, dstoolkit: Any) -> None:
    said = dstoolkit("decode", dev / "exp", dev / "absent", "--out", dev / "out", status=2).stderr
    assert f"{dev}/exp/best.pt: no such file; run 'dstoolkit train' first" in said
    assert f"{dev}/absent/features.h5: no such file; run 'dstoolkit features extract' first" in said
    (dev / "segments").write_text("u000 tape 0 1\n")
    said = dstoolkit("decode", toys / "exp", dev, "--out", dev / "out", status=2).stderr
    assert "segments: no utterance 'u001'" in said


def test_outputs_of_another_model(toys: Path, dev: Path, dstoolkit: Any) -> None:
    other = toy.another(toys / "exp", dev / "exp")
    command = ["decode", "EXP", dev, "--outputs", dev / "outputs.h5", "--out", dev / "out"]
    dstoolkit(*[toys / "exp" if each == "EXP" else each for each in command])
    said = dstoolkit(*[other if each == "EXP" else each for each in command], "--force", status=0).stdout
    assert f"{dev / 'outputs.h5'}: the network's outputs\n" in said
    said = dstoolkit(*[toys / "exp" if each == "EXP" else each for each in command[:-1]], dev / "more", status=2).stderr
    assert "outputs.h5: was made differently: input 'best.pt' has changed" in said


KILLED = """
import os, signal, sys
from dstoolkit.cli.main import main
from dstoolkit.pipeline import decoded
add = decoded.Writer.add
def interrupted(self, utterance, hypotheses):
    add(self, utterance, hypotheses)
    if len(self._lines) == 3:
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
decoded.Writer.add = interrupted
if __name__ == "__main__":
    main(sys.argv[2:])
"""


@pytest.mark.parametrize(("sent", "status"), [("SIGINT", 130), ("SIGKILL", -9)])
def test_interrupted_it_leaves_nothing_that_counts(
    toys: Path, dev: Path, dstoolkit: Any, sent: str, status: int
) -> None:
    script = dev / "script.py"
    script.write_text(KILLED)
    command = ["decode", toys / "exp", dev, "--out", dev / "out", "--nj", "2"]
    ran = subprocess.run(
        [sys.executable, script, sent, *map(str, command)],
        capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert ran.returncode == status
    assert not (dev / "out").exists()
    assert (dev / ".out.partial").exists() == (sent == "SIGKILL")
    dstoolkit(*command)
    assert {each.name for each in (dev / "out").iterdir()} == FILES
    assert not (dev / ".out.partial").exists()


DYING = """
import os, sys
from dstoolkit.cli.main import main
from dstoolkit.pipeline.transcription import Transcribe
class Dying(Transcribe):
    def __call__(self, batch):
        os._exit(9)
import dstoolkit.pipeline.transcription as transcription
transcription.Transcribe = Dying
if __name__ == "__main__":
    main(sys.argv[1:])
"""


def test_a_process_that_dies(toys: Path, dev: Path) -> None:
    (dev / "script.py").write_text(DYING)
    command = ["decode", toys / "exp", dev, "--out", dev / "out", "--nj", "2"]
    ran = subprocess.run([sys.executable, dev / "script.py", *map(str, command)], capture_output=True, text=True)
    assert ran.returncode == 2
    assert "--nj: a worker process ended unexpectedly; it may have run out of memory: lower --nj" in ran.stderr
    assert not (dev / "out").exists()
    assert not (dev / ".out.partial").exists()
