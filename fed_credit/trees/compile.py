"""Loops over loans as machine code, kept on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile a function of numbers and arrays when it is first called.

    Floating-point operations are neither reordered nor fused, so that they give the same bits
    whatever the machine, the shape of the arrays and the number of threads. The interpreter's lock
    is released meanwhile.

    Machine code is kept beside the package, or in the user's cache folder; where neither can be
    written it is made anew in each process. It is made again when the function's own file changes,
    so that a compiled function calls no others but those of its file.
    """
    options = {"nogil": True, "fastmath": False, "error_model": "numpy"}
    try:
        kept = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba found no folder that it may write to
        kept = numba.njit(**options)(function)
    return cast(_Function, kept)
