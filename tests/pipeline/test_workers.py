"""Several processes: order, bounds, faults, and that none outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest

from dstoolkit.errors import DataError, DstoolkitError
from dstoolkit.pipeline import workers


def slowest_first(item: int) -> int:
    time.sleep(0.02 * (3 - item % 4))
    return item * item


def threads(item: int) -> tuple[str | None, int]:
    return os.environ.get("OMP_NUM_THREADS"), os.getpid()


def fail(item: int) -> int:
    if item == 2:
        raise DataError("item 2", "bad", "expected good")
    return item


def die(item: int) -> None:
    os._exit(9)


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_order(jobs):
    assert list(workers.ordered_map(slowest_first, range(20), jobs)) == [item * item for item in range(20)]


def test_few_items_are_in_flight():
    taken = []
    items = (taken.append(item) or item for item in range(1000))
    with closing(workers.ordered_map(slowest_first, items, 2)) as results:
        assert next(results) == 0
    assert len(taken) <= 2 * workers.AHEAD


def test_processes_are_others_and_use_one_thread():
    before = os.environ.get("OMP_NUM_THREADS")
    found = list(workers.ordered_map(threads, range(4), 2))
    assert {count for count, _ in found} == {"1"}
    assert os.getpid() not in {pid for _, pid in found}
    assert os.environ.get("OMP_NUM_THREADS") == before


@pytest.mark.parametrize("jobs", [1, 2])
def test_exceptions_arrive_whole(jobs):
    with pytest.raises(DataError, match="item 2: bad; expected good"):
        list(workers.ordered_map(fail, range(4), jobs))


def test_a_process_that_dies_is_an_error():
    with pytest.raises(DstoolkitError, match=r"worker process ended unexpectedly.*lower --nj"):
        list(workers.ordered_map(die, range(4), 2))


def test_no_process_outlives_a_killed_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, sys, time\n"
        "from dstoolkit.pipeline.workers import ordered_map\n"
        "def work(item):\n"
        "    print(os.getpid(), flush=True)\n"
        "    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    list(ordered_map(work, range(2), 2))\n"
    )
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(parent.stdout.readline()) for _ in range(2)]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, pids))


@pytest.mark.parametrize("after", [0.05, 0.4, 1.5])
def test_ctrl_c_is_the_parents_alone(tmp_path, after):
    script = tmp_path / "parent.py"
    script.write_text(
        "import time\n"
        "from dstoolkit.pipeline.workers import ordered_map\n"
        "if __name__ == '__main__':\n"
        "    print('ready', flush=True)\n"
        "    try:\n"
        "        list(ordered_map(time.sleep, [0.1] * 600, 2))\n"
        "    except KeyboardInterrupt:\n"
        "        print('interrupted')\n"
    )
    command, pipe = [sys.executable, script], subprocess.PIPE
    parent = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    time.sleep(after)
    os.killpg(parent.pid, signal.SIGINT)  # as a terminal does: parent and workers alike
    said, errors = parent.communicate(timeout=30)
    assert (said, errors) == ("interrupted\n", "")


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
