"""The shell: ``run.sh``, the frame of a recipe, and the making of an environment, on a toy checkout.

The environment is made by a stand-in for Python that notes what it is asked, so that nothing is downloaded.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
RECIPE = """\
#!/usr/bin/env bash
# A toy. It shows what it is given.
#
#   --lang en|es  the language
tag=first
options=("lang=en|es" "max-size=small" "train:path")
. "$(dirname "$0")/../../tools/recipe.sh"

show() { printf '<%s>' "$@"; echo; }
scored() {
    mkdir -p data/test "$1"
    tee "$1/wer.txt" <wer_table
    cp truth data/test/text
    cp predicted "$1/text"
}
stage prepare show "$lang" "$max_size" "$train" "${corpus[@]}" "${force[@]}"
stage features show "$nj" "${config[@]}"
stage features show again
stage tokenizer show "$PWD" "$python"
stage train show "$tag" "${device[@]}"
stage decode bash -c "${DECODE:-true}"
stage score scored "exp/$tag/decode_test"
results data "exp/$tag"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that holds our shell, a recipe 'toy' and nothing else, at a path with a space."""
    root = tmp_path / "a checkout"
    for name in ("run.sh", "tools/recipe.sh", "tools/bootstrap.sh"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    (root / "setup.py").write_text("setup\n")
    (root / "constraints.txt").write_text("pins\n")
    recipe = root / "recipes" / "toy"
    (recipe / "conf").mkdir(parents=True)
    (recipe / "run.sh").write_text(RECIPE)
    (recipe / "truth").write_text("".join(f"u{at} word {at}\n" for at in range(9)))
    (recipe / "predicted").write_text("".join(f"u{at} guess {at}\n" for at in range(9) if at != 4) + "u4\n")
    (recipe / "wer_table").write_text("WER 12.3 %\n")
    return root


def run(root: Path, *arguments: object, status: int = 0, cwd: Path | None = None, **env: str) -> tuple[str, str]:
    """``./run.sh ARGUMENTS``: standard output and error."""
    ran = subprocess.run(
        [root / "run.sh", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd or root,
        env={**os.environ, "PYTHON": sys.executable, **env},
    )
    assert ran.returncode == status, ran.stderr
    return ran.stdout, ran.stderr


def shown(output: str) -> list[list[str]]:
    """What the recipe's ``show`` was given, a list per call."""
    return [re.findall(r"<([^>]*)>", line) for line in output.splitlines() if line.startswith("<")]


class TestOptions:
    def test_defaults(self, checkout: Path) -> None:
        calls = shown(run(checkout, "toy")[0])
        assert calls[0] == ["en", "small", ""]
        assert calls[1] == [str(len(os.sched_getaffinity(0))), "--config", "conf/train.yaml"]
        assert calls[3] == [str(checkout / "recipes/toy"), sys.executable]
        assert calls[4] == ["first"]

    def test_given_in_both_forms(self, checkout: Path, tmp_path: Path) -> None:
        (tmp_path / "my corpus").mkdir()
        options = ["--lang=es", "--max-size", "big one", "--train", "my corpus", "--corpus=my corpus", "--force"]
        options += ["--nj", "3", "--device", "cpu", "--tag", "t1", "--set", "train.epochs=5", "--set=a.b=[1, 2]"]
        calls = shown(run(checkout, "toy", *options, cwd=tmp_path)[0])
        folder = str(tmp_path / "my corpus")
        assert calls[0] == ["es", "big one", folder, "--corpus", folder, "--force"]
        assert calls[1] == ["3", "--config", "conf/train.yaml", "--set", "train.epochs=5", "--set", "a.b=[1, 2]"]
        assert calls[4] == ["t1", "--device", "cpu"]

    def test_another_configuration_is_another_experiment(self, checkout: Path, tmp_path: Path) -> None:
        (tmp_path / "wide.yaml").write_text("")
        calls = shown(run(checkout, "toy", "--config", tmp_path / "wide.yaml")[0])
        assert calls[1][1:] == ["--config", "../../../wide.yaml"]
        assert calls[4] == ["wide"]

    @pytest.mark.parametrize("word", ["$(touch evil)", "`touch evil`", "; touch evil", "a[$(touch evil)]", "*"])
    def test_nothing_is_evaluated(self, checkout: Path, word: str) -> None:
        calls = shown(run(checkout, "toy", "--max-size", word, "--set", f"a={word}")[0])
        assert calls[0][1] == word
        assert calls[1][-1] == f"a={word}"
        assert not list(checkout.rglob("evil"))

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["--stge", "2"], "--stge: no such option; did you mean '--stage'?; see './run.sh toy --help'"),
            (["--lange", "es"], "--lange: no such option; did you mean '--lang'?; see './run.sh toy --help'"),
            (["--stage", "tran"], "--stage: no stage 'tran'; did you mean 'train'?; see './run.sh toy --list'"),
            (["--stage", "6"], "--stage: no stage '6'; expected one of: prepare, features, "),
            (["--stop-stage", "-1"], "--stop-stage: no stage '-1'"),
            (["--stage", "3", "--stop-stage", "features"], "--stop-stage: 'features' comes before --stage 'train'"),
            (["--lang", "ex"], "--lang: 'ex'; expected one of: en, es\n"),
            (["--lang", "e|es"], "--lang: 'e|es'; "),
            (["--stage"], "--stage: no value"),
            (["--corpus", "/none/here"], "--corpus: no file or folder '/none/here'"),
            (["--train", "/none/here"], "--train: no file or folder '/none/here'"),
            (["--config", "/none.yaml"], "--config: no file or folder '/none.yaml'"),
            (["--tag", "../up"], "--tag: '../up'; expected letters, digits"),
            (["--nj", "0"], "--nj: '0'; expected a whole number, 1 or more"),
            (["-x"], "-x: no such option"),
            (["extra"], "'extra': not an option; a recipe's name comes first"),
            (["--", "x"], "--: no such option"),
        ],
    )
    def test_wrong_ones_are_status_2_before_anything_runs(
        self, checkout: Path, arguments: list[str], says: str
    ) -> None:
        output, error = run(checkout, "toy", *arguments, status=2)
        assert error.startswith(f"run.sh: {says}")
        assert len(error.splitlines()) == 1
        assert output == ""


class TestStages:
    @pytest.mark.parametrize(
        ("options", "stages"),
        [
            ([], "prepare features features tokenizer train decode score"),
            (["--stage", "3"], "train decode score"),
            (["--stage", "train", "--stop-stage", "train"], "train"),
            (["--stage", "1", "--stop-stage", "tokenizer"], "features features tokenizer"),
            (["--stop-stage", "0"], "prepare"),
        ],
    )
    def test_by_number_and_by_name(self, checkout: Path, options: list[str], stages: str) -> None:
        error = run(checkout, "toy", *options)[1]
        assert re.findall(r"^== stage \d: (\w+)$", error, re.MULTILINE) == stages.split()
        assert re.findall(r"^== stage \d: (\w+): \d+ s$", error, re.MULTILINE) == stages.split()

    def test_the_command_is_shown_as_it_could_be_typed(self, checkout: Path) -> None:
        error = run(checkout, "toy", "--max-size", "big one", "--stop-stage", "0")[1]
        assert "$ show en big\\ one ''\n" in error

    @pytest.mark.parametrize("status", [1, 2, 130])
    def test_one_that_fails_ends_the_run_with_its_status(self, checkout: Path, status: int) -> None:
        output, error = run(checkout, "toy", status=status, DECODE=f"exit {status}")
        assert f"run.sh: stage 4 (decode) ended with status {status} after" in error
        assert "WER" not in output

    def test_ctrl_c_is_130(self, checkout: Path) -> None:
        process = subprocess.Popen(
            [checkout / "run.sh", "toy"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHON": sys.executable, "DECODE": "echo waiting; exec sleep 60"},
        )
        assert process.stdout
        while "waiting" not in process.stdout.readline():
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to all in the foreground
        error = process.communicate(timeout=30)[1]
        assert process.returncode == 130
        assert error.endswith("run.sh: interrupted; the same command goes on from here\n")


class TestRecognise:
    @pytest.mark.parametrize("sound", [False, True])
    def test_with_the_model_and_without_each_scored(self, checkout: Path, sound: bool) -> None:
        commands = 'dstoolkit() { show "$@"; }\nrecognise "my data" "exp/$tag" test --config "a b"\n'
        head = RECIPE.partition("stage prepare")[0]
        (checkout / "recipes/toy/run.sh").write_text(head + commands)
        if sound:
            (checkout / "recipes/toy/my data/test").mkdir(parents=True)
            (checkout / "recipes/toy/my data/test/wav.scp").touch()
        output, error = run(checkout, "toy", "--device", "cpu", "--force")
        out, data, model = "exp/first/decode_test", "my data/test", "exp/first/tune/best.yaml"
        decoding = ["decode", "exp/first", data, "--out"]
        scoring = ["--utt2spk", f"{data}/utt2spk", *(["--audio", data] if sound else []), "--out"]
        assert shown(output) == [
            [*decoding, out, "--config", model, "--device", "cpu", "--force"],
            [*decoding, f"{out}_greedy", "--set", "decoder=greedy", "--device", "cpu", "--force"],
            *(
                ["score", "--ref", f"{data}/text", "--hyp", f"{each}/text", *scoring, each, "--config", "a b"]
                for each in (f"{out}_greedy", out)
            ),
        ]
        assert re.findall(r"^== stage \d: (\w+)$", error, re.MULTILINE) == ["decode", "decode", "score", "score"]


class TestResults:
    def test_the_table_is_followed_by_three_predictions_and_the_files(self, checkout: Path) -> None:
        folder = checkout / "recipes/toy/exp/first"
        folder.mkdir(parents=True)
        (folder / "curves.png").write_text("")
        output = run(checkout, "toy")[0]
        end = output[output.index("WER") :]
        assert end.startswith(
            "WER 12.3 %\n\n"
            "u1\n  true: word 1\n  pred: guess 1\n"
            "u4\n  true: word 4\n  pred: \n"
            "u7\n  true: word 7\n  pred: guess 7\n"
        )
        assert "report: recipes/toy/exp/first/decode_test/wer.txt\n" in end
        assert "curves: recipes/toy/exp/first/curves.png\n" in end
        assert re.search(r"^total: \d+ s$", end, re.MULTILINE)

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_fewer_utterances_than_three(self, checkout: Path, count: int) -> None:
        (checkout / "recipes/toy/truth").write_text("".join(f"u{at} word\n" for at in range(count)))
        output = run(checkout, "toy")[0]
        assert re.findall(r"^u\d$", output, re.MULTILINE) == [f"u{at}" for at in range(count)]

    def test_only_after_the_last_stage(self, checkout: Path) -> None:
        assert "WER" not in run(checkout, "toy", "--stop-stage", "decode")[0]


class TestRecipes:
    def test_are_listed_with_a_line_each(self, checkout: Path) -> None:
        assert run(checkout, "--list")[0] == "toy          A toy. It shows what it is given.\n"

    def test_have_stages(self, checkout: Path) -> None:
        lines = run(checkout, "toy", "--list")[0].splitlines()
        assert [line.split()[:2] for line in lines] == [
            [str(at), name] for at, name in enumerate(["prepare", "features", "tokenizer", "train", "decode", "score"])
        ]

    def test_help_is_the_recipes_own_and_ours(self, checkout: Path) -> None:
        output = run(checkout, "toy", "--stage", "2", "--help")[0]
        assert output.startswith("A toy. It shows what it is given.\n\n  --lang en|es  the language\n")
        for option in ("--stage", "--stop-stage", "--set", "--tag", "--corpus", "--nj", "--force", "--device"):
            assert f"\n  {option}" in output

    def test_an_unknown_one(self, checkout: Path) -> None:
        assert (
            run(checkout, "tyo", status=2)[1] == "run.sh: no recipe 'tyo'; did you mean 'toy'?; see './run.sh --list'\n"
        )

    def test_a_name_that_is_near_to_none(self, checkout: Path) -> None:
        says = "run.sh: no recipe 'xyz'; expected one of: toy; see './run.sh --list'\n"
        assert run(checkout, "xyz", status=2)[1] == says

    def test_a_path_is_no_recipe(self, checkout: Path) -> None:
        assert "no recipe '../recipes/toy'" in run(checkout, "../recipes/toy", status=2)[1]

    def test_run_by_themselves_too(self, checkout: Path, tmp_path: Path) -> None:
        ran = subprocess.run(
            ["bash", checkout / "recipes/toy/run.sh", "--stop-stage", "0"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHON": sys.executable},
        )
        assert shown(ran.stdout) == [["en", "small", ""]]

    @pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*/run.sh")), ids=lambda path: path.parent.name)
    def test_ours_are_short_and_explain_themselves(self, path: Path) -> None:
        lines = path.read_text().splitlines()
        assert len(lines) <= 30
        assert lines[1].startswith("# ")
        assert os.access(path, os.X_OK)
        for ask in ("--help", "--list"):
            subprocess.run([path, ask], check=True, capture_output=True)


STAND_IN = """\
#!/usr/bin/env bash
# Answers like a Python that lacks dstoolkit; its venvs are copies of itself, with pip and, once installed, dstoolkit.
here=$(dirname "$0")
case "$*" in
    *importlib.metadata*) exit 1 ;;
    *"import ensurepip"*) exit "${NO_VENV:-0}" ;;
    "-m venv"*) mkdir -p "${@: -1}/bin" && cp "$0" "${@: -1}/bin/python" ;;
    "-m pip --version") [[ $here = */.venv/bin ]] ;;
    "-m pip install"*) echo "$PWD: $*" >>"$CALLS"; echo "Collecting things"; eval "${PIP:-}" ;;
    *) exec REAL "$@" ;;
esac
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    path = tmp_path / "python3"
    path.write_text(STAND_IN.replace("REAL", sys.executable))
    path.chmod(0o755)
    return path


class TestEnvironment:
    def go(self, checkout: Path, stand_in: Path, **env: str) -> tuple[str, str]:
        status = int(env.pop("status", "0"))
        env = {"PYTHON": str(stand_in), "CALLS": str(stand_in.parent / "calls"), **env}
        return run(checkout, "toy", "--stop-stage", "tokenizer", status=status, **env)

    def installs(self, stand_in: Path) -> int:
        calls = stand_in.parent / "calls"
        return len(calls.read_text().splitlines()) if calls.exists() else 0

    def test_made_once_and_used(self, checkout: Path, stand_in: Path) -> None:
        output, error = self.go(checkout, stand_in)
        assert shown(output)[-1][1] == str(checkout / ".venv/bin/python")
        assert "installing dstoolkit" in error
        call = f"{checkout}: -m pip install --progress-bar off -c constraints.txt -e .\n"
        assert (stand_in.parent / "calls").read_text() == call
        output, error = self.go(checkout, stand_in)
        assert "installing" not in error
        assert shown(output)[-1][1] == str(checkout / ".venv/bin/python")
        assert self.installs(stand_in) == 1

    @pytest.mark.parametrize("name", ["setup.py", "constraints.txt"])
    def test_made_again_when_what_it_is_made_from_changes(self, checkout: Path, stand_in: Path, name: str) -> None:
        self.go(checkout, stand_in)
        (checkout / name).write_text("other\n")
        self.go(checkout, stand_in)
        assert self.installs(stand_in) == 2

    def test_made_again_when_the_checkout_has_moved(self, checkout: Path, stand_in: Path) -> None:
        self.go(checkout, stand_in)
        self.go(checkout.rename(checkout.with_name("moved")), stand_in)
        assert self.installs(stand_in) == 2

    @pytest.mark.parametrize("end", ["echo no space; exit 1", "kill -9 $$", "kill -9 $PPID"])
    def test_an_install_cut_short_is_finished_by_the_next_call(self, checkout: Path, stand_in: Path, end: str) -> None:
        error = self.go(checkout, stand_in, PIP=end, status="2")[1]
        assert "pip could not install dstoolkit" in error
        assert self.installs(stand_in) == 1
        assert "installing dstoolkit" in self.go(checkout, stand_in)[1]
        assert self.installs(stand_in) == 2
        assert "installing dstoolkit" not in self.go(checkout, stand_in)[1]

    def test_a_failed_install_shows_the_end_of_pips_story(self, checkout: Path, stand_in: Path) -> None:
        error = self.go(checkout, stand_in, PIP="echo no matching distribution; exit 1", status="2")[1]
        assert "no matching distribution\n" in error
        log = checkout / ".venv/install.log"
        assert error.rstrip().endswith(f"the whole story is in {log}; the same command tries again")
        assert log.read_text() == "Collecting things\nno matching distribution\n"

    def test_a_python_without_venv(self, checkout: Path, stand_in: Path) -> None:
        error = self.go(checkout, stand_in, NO_VENV="1", status="2")[1]
        assert error.startswith(f"run.sh: {stand_in}: has no module 'venv' that works; on Debian")
        assert not (checkout / ".venv").exists()

    def test_a_python_too_old(self, checkout: Path, stand_in: Path) -> None:
        text = stand_in.read_text().replace("*) exec", '*"sys.version_info"*) exit 1 ;;\n    *) exec')
        stand_in.write_text(text)
        error = self.go(checkout, stand_in, status="2")[1]
        version = ".".join(map(str, sys.version_info[:3]))
        assert error.startswith(f"run.sh: python: found {stand_in} is {version}; expected Python 3.10 to 3.13; ")
        assert not (checkout / ".venv").exists()

    def test_no_python(self, checkout: Path) -> None:
        error = run(checkout, "toy", status=2, PYTHON="/none/python3")[1]
        assert error.startswith("run.sh: python: found none; expected Python 3.10 to 3.13; ")

    def test_neither_help_nor_list_needs_one(self, checkout: Path, stand_in: Path) -> None:
        for ask in (["--help"], ["--list"], ["toy", "--help"], ["toy", "--list"]):
            run(checkout, *ask, PYTHON=str(stand_in))
        assert not (checkout / ".venv").exists()
