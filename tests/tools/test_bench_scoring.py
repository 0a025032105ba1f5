"""The benchmark of alignments: a small run, in which all that is installed must find the same errors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent.parent.parent / "tools" / "bench" / "scoring.py"


def test_a_small_run(tmp_path: Path) -> None:
    options = ["--utterances", "50", "--words", "6", "--repeats", "1", "--json", tmp_path / "out.json"]
    command = [sys.executable, *(str(each) for each in (SCRIPT, *options))]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads((tmp_path / "out.json").read_text())
    rows = {row["name"]: row for row in found["rows"]}
    assert {
        "dstoolkit, levenshtein",
        "dstoolkit, sclite",
        "dstoolkit, score",
        "editdistance (number only)",
    } <= rows.keys()
    assert len({row["errors"] for row in rows.values()}) == 1
    assert rows["dstoolkit, levenshtein"]["errors"] > 0
    assert all(name in shown for name in rows)
