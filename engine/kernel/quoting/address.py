"""A strategy by its address, so that Python names the function to call with two integers.

Handing a function itself to compiled code makes numba look its address up in Python, tens of microseconds for a tick.
"""

from typing import Any

from numba import types
from numba.core import cgutils
from numba.experimental.function_type import _get_jit_address, _get_wrapper_address
from numba.extending import intrinsic

from engine.kernel.quoting.actions import QUOTE_SIGNATURE, QUOTE_TYPE, Quote


def address_of(quote: Quote) -> tuple[int, int]:
    """What ``quote_at`` takes for ``quote``, a function compiled with ``QUOTE_SIGNATURE`` that outlives the calls."""
    return _get_wrapper_address(quote, QUOTE_SIGNATURE), _get_jit_address(quote, QUOTE_SIGNATURE)


def _quote_at(_context: Any, _plain: Any, _throwing: Any) -> Any:
    """The strategy at these addresses: as C calls it, and as numba does, which lets its exceptions through."""

    def build(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        made = cgutils.create_struct_proxy(QUOTE_TYPE)(context, builder)
        pointer = context.get_value_type(types.voidptr)
        made.c_addr = builder.inttoptr(arguments[0], pointer)
        made.jit_addr = builder.inttoptr(arguments[1], pointer)
        made.py_addr = cgutils.get_null_value(pointer)
        return made._getvalue()

    return QUOTE_TYPE(types.int64, types.int64), build


quote_at: Any = intrinsic(_quote_at)
