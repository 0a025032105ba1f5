"""The benchmark of recurrent layers: a small run measures every case."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent.parent.parent / "tools" / "bench" / "rnn.py"


def test_a_small_run(tmp_path: Path) -> None:
    options = ["--frames", "4", "--threads", "1", "--repeats", "1", "--json", tmp_path / "out.json"]
    command = [sys.executable, *(str(each) for each in (SCRIPT, *options))]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = json.loads((tmp_path / "out.json").read_text())["rows"]
    cases = {(row["whose"], row["cell"], row["form"], row["both"]) for row in rows}
    assert len(cases) == len(rows) == 2 * (2 * 4 + 3)
    assert all(row["ms"] >= row["best_ms"] > 0 and row["where"] for row in rows)
    references = [row for row in rows if row["ratio"] == 1]
    assert {("torch", "lstm", "padded, time first", both) for both in (False, True)} <= {
        (row["whose"], row["cell"], row["form"], row["both"]) for row in references
    }
    assert "4 frames, 1 thread\n" in shown
