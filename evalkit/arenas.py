"""How many arenas the C library of Linux keeps memory in."""

import ctypes
import os

_ARENA_MAX = -8  # M_ARENA_MAX of glibc's malloc.h
_FEW = 2


def share_arenas() -> None:
    """Have the threads of this process share two arenas, unless its environment says how many there may be.

    By default each of a run's threads gets one of its own, which holds on to what was freed in it: 30 MB of a run whose
    model takes 100. Where the C library is another one, nothing happens.
    """
    if "MALLOC_ARENA_MAX" in os.environ:
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return
    mallopt(_ARENA_MAX, _FEW)
