"""How CPU kernels are compiled and run: decorators, code kept on disk that is never that of another version, threads.

Numba keeps compiled code in ``__pycache__`` beside the source, or where ``NUMBA_CACHE_DIR`` says, and compiles anew
when the file of the function changes; but a kernel holds the code of those it calls, from other files too. So the stamp
by which it is found here is a digest of all files of its folder and of this one (kernels call those of their own folder
only). Where no folder can be written to, nothing is kept.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba import njit

REASSOCIATE = {"reassoc", "contract", "nsz"}  # sums may be taken in vector order; NaN and infinity keep their meaning
# Numba's fallback threading layer ends the process when two Python threads enter it at once.
ONE_AT_A_TIME = threading.Lock()
WORTH_WAKING = 50_000  # nanoseconds or so of work, below which other threads wake too late to help


@functools.cache
def sources(folder: Path) -> str:
    """The digest of the kernels' sources in ``folder``."""
    files = [Path(__file__), *sorted(folder.glob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """``numba.njit`` with these options; the compiled code is kept on disk, stamped with its ``sources``."""

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            dispatcher = njit(cache=True, **options)(function)
        except RuntimeError:  # no folder to keep it in
            return njit(**options)(function)
        stamped = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
        if stamped is not None:
            stamped._source_stamp = sources(Path(function.__code__.co_filename).parent)
            stamped._load_index = _forgiving(stamped._load_index)
        return dispatcher

    return decorate


def _forgiving(load: Callable[[], Any]) -> Callable[[], Any]:
    """Numba reads the whole index before its stamp, and other sources may have had classes that are gone."""

    def load_index() -> Any:
        try:
            return load()
        except (AttributeError, ImportError):
            return {}

    return load_index


kernel = compiled(nogil=True, fastmath=REASSOCIATE)
in_order = compiled(nogil=True)  # every sum as it is written
driver = compiled(nogil=True, parallel=True)
# Inlined by LLVM, not by Numba, whose caller's REASSOCIATE would make (x + 1.5 * 2^52) - 1.5 * 2^52 the x it came from;
# without the check for a divisor of 0, which no vector instruction has.
inlined = compiled(forceinline=True, fastmath={"contract"}, error_model="numpy")
# For inner loops over many arrays, which make none: without reference counts, each of them an atomic operation. The
# option is Numba's own, and works there since long before the oldest version that is allowed.
uncounted = compiled(nogil=True, fastmath={"contract"}, error_model="numpy", _nrt=False)
uncounted_inlined = compiled(forceinline=True, fastmath={"contract"}, error_model="numpy", _nrt=False)


def threads_for(work: int) -> int:
    """As many threads as torch uses, if Numba has them; one for little work, which is in nanoseconds or so.

    Both run on one OpenMP library, torch's; when Numba starts its threads it sets their number for torch too, which
    would change torch's sums from then on. So it is set back. Call it, and the ``driver``, under ``ONE_AT_A_TIME``.
    """
    torch = sys.modules.get("torch")  # where it is not loaded, it sets no number
    most = int(numba.config.NUMBA_NUM_THREADS)
    wanted = torch.get_num_threads() if torch else most
    threads = min(wanted, most) if work >= WORTH_WAKING else 1
    if numba.get_num_threads() != threads:
        numba.set_num_threads(threads)
    if torch and torch.get_num_threads() != wanted:
        torch.set_num_threads(wanted)
    return threads
