"""Recipes run whole from a clean clone, by real speech: what is committed is what runs.

The clone is of HEAD, with the dstoolkit of the Python that runs the tests; changes to recipes and shell that are not
committed yet are not seen.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
EPOCHS = 3
pytestmark = pytest.mark.slow


def clone(folder: Path) -> Path:
    """A clean clone of this checkout's HEAD."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing to clone")
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", ROOT, folder], check=True)
    return folder


ENVIRONMENT = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}


def run(checkout: Path, *arguments: object) -> str:
    """``./run.sh ARGUMENTS``: its standard output; its status must be 0."""
    ran = subprocess.run(
        [checkout / "run.sh", *map(str, arguments)], capture_output=True, text=True, env=ENVIRONMENT, cwd=checkout
    )
    assert ran.returncode == 0, f"{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}"
    return ran.stdout


def check_score(folder: Path, reference: Path) -> None:
    """``wer.json`` counts what the references hold, and its rates follow from its counts."""
    scored = json.loads((folder / "wer.json").read_text())
    texts = dict(line.partition(" ")[::2] for line in reference.read_text().splitlines())
    assert {each["id"] for each in scored["utterances"]} == texts.keys()
    assert scored["wer"]["reference_length"] == sum(len(text.split()) for text in texts.values())
    for measure in (scored["wer"], scored["cer"]):
        errors = measure["substitutions"] + measure["deletions"] + measure["insertions"]
        assert measure["errors"] == errors
        assert measure["correct"] + measure["substitutions"] + measure["deletions"] == measure["reference_length"]
        assert measure["rate"] == pytest.approx(errors / measure["reference_length"])


def learned(experiment: Path) -> list[dict[str, Any]]:
    """The epochs' metrics, without what depends on the clock."""
    epochs = [json.loads(line) for line in (experiment / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in each.items() if key not in CLOCKED} for each in epochs]


CLOCKED = {"seconds", "speed", "frames_per_second", "data_wait", "memory_mb"}


def check_finished(recipe: Path, output: str, epochs: int) -> None:
    """All that a recipe promises is there, and its closing words name it."""
    experiment = recipe / "exp/deepspeech"
    for name in ("decode_test", "decode_test_greedy"):
        check_score(experiment / name, recipe / "data/test/text")
    assert (recipe / "data/lm.arpa").read_text(encoding="utf-8").startswith("\\data\\\n")
    assert (experiment / "tune/best.yaml").read_text(encoding="utf-8").startswith("decoder:\n  name: beam\n")
    assert [each["epoch"] for each in learned(experiment)] == list(range(1, epochs + 1))
    assert (experiment / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert output.count("\n  true: ") == 3
    for name in ("decode_test/wer.txt", "decode_test/wer.json", "curves.png"):
        assert f"{recipe.relative_to(recipe.parent.parent)}/exp/deepspeech/{name}\n" in output
    assert not list(recipe.rglob("*.partial"))


def check_done(checkout: Path, recipe: Path, output: str) -> None:
    """A second run says that each stage is done and changes no file."""
    before = {each: each.stat().st_mtime_ns for each in recipe.rglob("*") if each.is_file()}
    assert run(checkout, *output.split()).count("already") >= 6
    assert {each: each.stat().st_mtime_ns for each in recipe.rglob("*") if each.is_file()} == before


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clone(tmp_path_factory.mktemp("fresh") / "checkout")


@pytest.fixture(scope="module")
def yesno(checkout: Path, corpora: Path) -> str:
    """The arguments of a small yesno, and a clone in which it has run."""
    arguments = f"yesno --corpus {corpora / 'yesno/waves_yesno'} --set train.epochs={EPOCHS}"
    check_finished(checkout / "recipes/yesno", run(checkout, *arguments.split()), EPOCHS)
    return arguments


def test_yesno_finishes_and_then_has_nothing_to_do(checkout: Path, yesno: str) -> None:
    check_done(checkout, checkout / "recipes/yesno", yesno)


def test_another_setting_is_refused_by_name(checkout: Path, yesno: str) -> None:
    command = [checkout / "run.sh", *yesno.split(), "--stage", "train", "--set", "train.epochs=4"]
    ran = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert ran.returncode == 2
    assert "epochs was 3, now 4; pass --force to make it anew" in ran.stderr


def test_killed_in_every_stage_the_same_command_comes_to_the_same_result(
    checkout: Path, yesno: str, tmp_path: Path
) -> None:
    again = clone(tmp_path / "again")
    marks = ["stage 0: prepare", "stage 1: features", "stage 2: tokenizer", "stage 3: train", "epoch   1", "epoch   2"]
    for mark in [*marks, "stage 4: decode", "stage 5: score"]:
        kill_at(again, yesno, mark)
    check_finished(again / "recipes/yesno", run(again, *yesno.split()), EPOCHS)
    experiments = [each / "recipes/yesno/exp/deepspeech" for each in (checkout, again)]
    assert learned(experiments[0]) == learned(experiments[1])
    hypotheses = [(each / "decode_test/text").read_text() for each in experiments]
    assert hypotheses[0] == hypotheses[1]


def kill_at(checkout: Path, arguments: str, mark: str) -> None:
    """Run until a line holds ``mark``, then SIGKILL everything."""
    process = subprocess.Popen(
        [checkout / "run.sh", *arguments.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**ENVIRONMENT, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    assert process.stdout
    seen = []
    for line in process.stdout:
        seen.append(line)
        if mark in line:
            os.killpg(process.pid, signal.SIGKILL)
            break
    process.stdout.close()
    process.wait()
    assert process.returncode == -signal.SIGKILL, "".join(seen[-30:])


def test_the_default_recipe_from_debians_packages(checkout: Path) -> None:
    prepare = [checkout / "run.sh", "--stop-stage", "prepare"]
    ran = subprocess.run(prepare, capture_output=True, text=True, env=ENVIRONMENT)
    if ran.returncode == 2 and "apt-get" in ran.stderr:
        pytest.skip(f"the Debian packages cannot be had here: {ran.stderr.splitlines()[-2]}")
    assert ran.returncode == 0, ran.stderr
    recipe = checkout / "recipes/prompts"
    check_finished(recipe, run(checkout, "--set", "train.epochs=2"), 2)
    check_done(checkout, recipe, "--set train.epochs=2")
    texts = {
        split: {line.partition(" ")[2] for line in (recipe / f"data/{split}/text").read_text().splitlines()}
        for split in ("train", "dev", "test")
    }
    assert texts["train"].isdisjoint(texts["dev"] | texts["test"])
