"""A virtual environment for tests that install packages with pip.

It is empty but for a line that makes the packages of the running interpreter importable (torch is not installed again).
Nothing is fetched: ``--no-index --no-deps --no-build-isolation``.
"""

from __future__ import annotations

import json
import os
import site
import subprocess
import sysconfig
import venv
from pathlib import Path


class Environment:
    """An environment that has its own ``site-packages`` in front of those of the running interpreter."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        own = Path(self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        shared = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()}
        lines = [f"import site; site.addsitedir({path!r})\n" for path in sorted(shared)]
        (own / "shared.pth").write_text("".join(lines))

    def variables(self) -> dict[str, str]:
        """Those of this process, but for what points Python or pip elsewhere."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PIP_"))}
        return {**kept, "OMP_NUM_THREADS": "1"}

    def run(self, *words: object, status: int = 0) -> str:
        """The output of ``python WORDS``."""
        return self.done(*words, status=status).stdout

    def done(self, *words: object, status: int) -> subprocess.CompletedProcess[str]:
        command = [str(self.python), *map(str, words)]
        done = subprocess.run(command, env=self.variables(), capture_output=True, text=True, cwd=self.python.parent)
        assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def wheels(self, folder: Path, *projects: Path) -> list[Path]:
        """The wheels of these projects, built into ``folder``."""
        options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", folder)
        self.run("-m", "pip", "wheel", *options, *projects)
        return sorted(folder.glob("*.whl"))

    def shell(self, script: str, folder: Path) -> str:
        """What a shell prints in ``folder`` that has the environment activated; pip finds no index."""
        for name in ("dstoolkit", "pip", "pytest"):  # as their scripts, which are the outer environment's, would
            launcher = self.python.with_name(name)
            launcher.write_text(f'#!/bin/sh\nexec "{self.python}" -m {name} "$@"\n')
            launcher.chmod(0o755)
        variables = {**self.variables(), "PIP_NO_INDEX": "1", "PATH": f"{self.python.parent}:{os.environ['PATH']}"}
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(
            command, env=variables, text=True, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert done.returncode == 0, f"{script}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def install(self, *projects: Path) -> None:
        self.run("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", *projects)

    def dstoolkit(self, *words: object, status: int = 0) -> str:
        return self.run("-m", "dstoolkit", *words, status=status)

    def refusal(self, *words: object) -> str:
        """What ``dstoolkit WORDS`` says on standard error, and nothing else, with exit status 2."""
        done = self.done("-m", "dstoolkit", *words, status=2)
        assert not done.stdout
        return done.stderr

    def plugins(self) -> dict[str, dict[str, object]]:
        return {each["name"]: each for each in json.loads(self.dstoolkit("plugins", "list", "--json"))["plugins"]}
