"""How the kernel's functions are compiled: five decorators, so that what costs compile time is decided in one place.

Every jitted function is optimised alone and then once more inside each caller, and numba adds two wrappers to each so
that Python and C can call it. So only what Python calls gets a wrapper, small functions are spliced into their callers
before anything is compiled, and no function counts references: the arrays belong to the Python caller for the length
of the call, and nothing in the kernel makes or keeps one. A first start on a new machine is half as long by it.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeVar

from numba import njit
from numba.np import linalg

_R = TypeVar("_R")


def _load_array_functions() -> None:
    """Have numba load what it knows of NumPy, without SciPy: a quarter of a second of every start.

    Numba imports SciPy's linear algebra there only to know whether a product of matrices could be compiled. It is
    enough to see that SciPy is installed: a function that has such a product still makes the whole check.
    """
    thorough: Any = linalg.ensure_blas

    def brief() -> None:
        if find_spec("scipy") is None:
            raise ImportError("scipy is required for linear algebra")

    linalg.ensure_blas = brief
    try:
        from numba.np import arraymath  # noqa: F401
    finally:
        linalg.ensure_blas = thorough


_load_array_functions()


def _compiled(**options: Any) -> Callable[[Callable[..., _R]], Callable[..., _R]]:
    """A decorator. A type checker is told the result only: arguments may be numpy's integers as well as Python's."""
    made: Any = njit
    return made(cache=True, no_cfunc_wrapper=True, **options)


def entry(function: Callable[..., _R]) -> Callable[..., _R]:
    """Called from Python. Must not return an array (``making`` is for that)."""
    return _compiled(_nrt=False)(function)


def making(function: Callable[..., _R]) -> Callable[..., _R]:
    """Returns views of arrays: references are counted when Python calls it, and it is spliced into kernel functions,
    which do not count them."""
    return _compiled(_nrt=True, inline="always")(function)


def inner(function: Callable[..., _R]) -> Callable[..., _R]:
    """Called from other kernel functions only; compiled by itself because it is large or has many callers."""
    return _compiled(_nrt=False, no_cpython_wrapper=True)(function)


def merged(function: Callable[..., _R]) -> Callable[..., _R]:
    """As ``inner``, and LLVM puts it into its callers."""
    return _compiled(_nrt=False, no_cpython_wrapper=True, forceinline=True)(function)


def part(function: Callable[..., _R]) -> Callable[..., _R]:
    """Spliced into its callers' source. For small functions with one or two callers: splicing costs, too."""
    return _compiled(_nrt=False, inline="always")(function)
