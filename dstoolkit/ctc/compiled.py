"""How the CPU kernels are compiled: decorators, and code kept on disk that is never that of another version.

Numba keeps compiled code in ``__pycache__`` beside the source, or where ``NUMBA_CACHE_DIR`` says, and compiles anew
when the file of the function changes; but a kernel holds the code of those it calls, from other files too. So the stamp
by which it is found here is a digest of all files of this folder. Where no folder can be written to, nothing is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

REASSOCIATE = {"reassoc", "contract", "nsz"}  # sums may be taken in vector order; NaN and infinity keep their meaning
SOURCES = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """``numba.njit`` with these options; the compiled code is kept on disk, stamped with ``SOURCES``."""

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            dispatcher = njit(cache=True, **options)(function)
        except RuntimeError:  # no folder to keep it in
            return njit(**options)(function)
        stamped = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
        if stamped is not None:
            stamped._source_stamp = SOURCES
        return dispatcher

    return decorate


kernel = compiled(nogil=True, fastmath=REASSOCIATE)
in_order = compiled(nogil=True)  # every sum as it is written
driver = compiled(nogil=True, parallel=True)
# Inlined by LLVM, not by Numba, whose caller's REASSOCIATE would make (x + 1.5 * 2^52) - 1.5 * 2^52 the x it came from;
# without the check for a divisor of 0, which no vector instruction has.
inlined = compiled(forceinline=True, fastmath={"contract"}, error_model="numpy")
