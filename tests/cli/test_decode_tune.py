"""``dstoolkit decode tune`` on the toy corpus: one run of the network, every point's errors, the best one's decoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dstoolkit import config
from dstoolkit.pipeline import outputs
from dstoolkit.scoring.wer import score
from tests import toy

FILES = {
    "outputs.h5",
    "outputs.h5.stamp.json",
    "tune.json",
    "tune.json.stamp.json",
    "tune.txt",
    "surface.png",
    "best.yaml",
}
GRID = ["--alpha", "0:1:0.5", "--beta", "-1:1:1", "--beam", "8", "--device", "cpu"]


@pytest.fixture
def command(toys: Path, dev: Path) -> list[object]:
    return ["decode", "tune", toys / "exp", dev, "--lm", toys / "lm.arpa", "--out", dev / "tune", *GRID]


def read(dev: Path) -> Any:
    return json.loads((dev / "tune/tune.json").read_text())


def texts(path: Path) -> dict[str, str]:
    return {line.partition(" ")[0]: line.partition(" ")[2] for line in path.read_text().splitlines()}


def test_every_point_is_what_decode_gives(toys: Path, dev: Path, command: list[object], dstoolkit: Any) -> None:
    dstoolkit(*command, "--refine", "1")
    assert {each.name for each in (dev / "tune").iterdir()} == FILES
    points = read(dev)["points"]
    assert len(points) > 9
    references = texts(dev / "text")
    for at in (0, 4, len(points) - 1):
        point, out = points[at], dev / f"out{at}"
        weights = ["--alpha", point["alpha"], "--beta", point["beta"], "--beam", "8"]
        dstoolkit("decode", toys / "exp", dev, "--lm", toys / "lm.arpa", *weights, "--out", out)
        report = score(references, texts(out / "text"))
        assert point["wer"] == {"rate": report.wer.rate, **vars(report.wer)}
        assert point["cer"] == {"rate": report.cer.rate, **vars(report.cer)}
    dstoolkit("decode", toys / "exp", dev, "--set", "decoder=greedy", "--out", dev / "greedy")
    assert read(dev)["greedy"]["wer"]["rate"] == score(references, texts(dev / "greedy/text")).wer.rate


def test_the_best_one_is_a_configuration_for_decode(
    toys: Path,
    dev: Path,
    command: list[object],
    dstoolkit: Any,
) -> None:
    said = dstoolkit(*command).stdout
    best = read(dev)["best"]
    assert f"by WER: alpha {best['alpha']:g}, beta {best['beta']:g}\n" in said
    decoder = config.load(dev / "tune/best.yaml")["decoder"]
    expected = {"name": "beam", "lm": str(toys / "lm.arpa"), "beam": 8}
    assert decoder == {**expected, "alpha": best["alpha"], "beta": best["beta"]}
    dstoolkit("decode", toys / "exp", dev, "--config", dev / "tune/best.yaml", "--out", dev / "out")
    assert score(texts(dev / "text"), texts(dev / "out/text")).wer.rate == best["wer"]["rate"]


def test_the_network_runs_once(
    dev: Path,
    command: list[object],
    dstoolkit: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert f"{dev / 'tune/outputs.h5'}: the network's outputs\n" in dstoolkit(*command).stdout
    first = read(dev)
    assert dstoolkit(*command).stdout.startswith(f"{dev / 'tune'}: already done\n")
    monkeypatch.setattr(outputs, "Computed", None)
    other = [*command, "--alpha", "0:1:0.25"]
    said = dstoolkit(*other, status=2).stderr
    assert "tune.json: was made differently: alpha.step was 0.5, now 0.25; pass --force to make it anew" in said
    assert read(dev) == first
    said = dstoolkit(*other, "--force").stdout
    assert "has the network's outputs; it is not run again\n" in said
    assert len(read(dev)["points"]) > len(first["points"])


def test_references_are_normalised_as_the_models_texts(dev: Path, command: list[object], dstoolkit: Any) -> None:
    dstoolkit(*command)
    first = read(dev)
    (dev / "text").write_text("".join(f"{each} {text.upper()}!\n" for each, text in texts(dev / "text").items()))
    assert "input 'text' has changed" in dstoolkit(*command, status=2).stderr
    dstoolkit(*command, "--force")
    assert read(dev) == first


def test_by_characters(dev: Path, command: list[object], dstoolkit: Any) -> None:
    assert "by CER:" in dstoolkit(*command, "--metric", "cer").stdout
    found = read(dev)
    assert found["best"]["cer"]["rate"] == min(each["cer"]["rate"] for each in found["points"])


def test_killed_between_the_files(
    dev: Path,
    command: list[object],
    dstoolkit: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The search is done again, the network is not."""
    from dstoolkit import stamp

    write = stamp.write_text

    def interrupted(path: Path, text: str) -> None:
        if path.name == "tune.txt":
            raise KeyboardInterrupt
        write(path, text)

    with monkeypatch.context() as patch:
        patch.setattr(stamp, "write_text", interrupted)
        dstoolkit(*command, status=130)
    assert "not run again" in dstoolkit(*command).stdout
    assert {each.name for each in (dev / "tune").iterdir()} == FILES


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--set", "decoder=greedy", "--beam", "8"], "--beam: decoder 'greedy' has no option 'beam'"),
        (["--alpha", "2:0:1"], "--alpha: '2:0:1'; expected LOW:HIGH:STEP"),
        (["--beta", "x"], "--beta: 'x'; expected LOW:HIGH:STEP"),
        (["--alpha", "-1:1:0.5"], "alpha: -1.0; expected at least 0"),
        (["--metric", "ser"], "'ser' is not one of 'wer', 'cer'"),
        (["--lm", "absent.arpa"], "absent.arpa: no such file; decoder option 'lm' names it"),
    ],
)
def test_bad_options(dev: Path, command: list[object], dstoolkit: Any, options: list[str], says: str) -> None:
    assert says in dstoolkit(*command, *options, status=2).stderr
    assert not (dev / "tune").exists()


def test_no_language_model_and_no_such_options(toys: Path, dev: Path, dstoolkit: Any) -> None:
    command = ["decode", "tune", toys / "exp", dev, "--out", dev / "tune"]
    said = dstoolkit(*command, "--set", "decoder=beam", status=2).stderr
    assert "--lm: no language model; expected the ARPA file whose weight is sought; make one with" in said
    said = dstoolkit(*command, status=2).stderr
    assert "decoder: 'greedy' has no option 'alpha' to tune; choose --set decoder=beam" in said


def test_texts_that_are_missing(dev: Path, command: list[object], dstoolkit: Any) -> None:
    lines = (dev / "text").read_text().splitlines(keepends=True)
    (dev / "text").write_text("".join(lines[2:]))
    said = dstoolkit(*command, status=2).stderr
    assert all(f"{dev / 'text'}: no text of utterance '{each}'" in said for each in ("u000", "u001"))
    (dev / "text").unlink()
    assert "text: no such file; expected what is said" in dstoolkit(*command, status=2).stderr


def test_outputs_of_another_model(toys: Path, dev: Path, command: list[object], dstoolkit: Any) -> None:
    dstoolkit(*command)
    other = toy.another(toys / "exp", dev / "exp")
    command[2] = other
    assert "tune.json: was made differently: input 'best.pt' has changed" in dstoolkit(*command, status=2).stderr
    (dev / "tune/tune.json.stamp.json").unlink()
    assert "outputs.h5: was made differently: input 'best.pt'" in dstoolkit(*command, status=2).stderr
    assert "the network's outputs\n" in dstoolkit(*command, "--force").stdout
