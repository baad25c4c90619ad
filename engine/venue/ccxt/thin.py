"""One exchange of ccxt without the other hundred: ``import ccxt`` runs every exchange's module and takes seconds.

Modules of ``ccxt`` and ``ccxt.async_support`` are registered with their real paths but without running their bodies,
and given the names that ccxt's own base modules import from them. ccxt itself is not changed. The first use of any
other name runs the real body in the same module, so a later full ``import ccxt`` in this process still works; where
ccxt has already been imported in full, that one is used.
"""

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def async_exchange(name: str) -> Any:
    """ccxt's asynchronous class of one exchange. Raises LookupError when ccxt knows no such exchange."""
    found = _exchange("ccxt.async_support", name)
    _name_classes("ccxt.async_support")
    return found


def pro_exchange(name: str) -> Any:
    """ccxt.pro's class (streams). Raises LookupError when ccxt has no streams for such an exchange."""
    try:
        _exchange("ccxt.async_support", name)
    except LookupError:
        raise LookupError(f"ccxt.pro has no exchange {name!r}") from None
    if "ccxt.pro" not in sys.modules:
        _unrun("ccxt.pro")
    _name_classes("ccxt.async_support")
    found = _exchange("ccxt.pro", name)
    _name_classes("ccxt.pro")
    return found


def _name_classes(package: str) -> None:
    """As the package's own body has it: the name of an exchange is its class, not its module."""
    for loaded, module in list(sys.modules.items()):
        parent, _, child = loaded.rpartition(".")
        if parent == package and isinstance(getattr(module, child, None), type):
            setattr(sys.modules[package], child, getattr(module, child))


def _exchange(package: str, name: str) -> Any:
    if not name.isidentifier():
        raise LookupError(f"{name!r} is no exchange id")
    _prepare()
    try:
        module = importlib.import_module(f"{package}.{name}")
    except ModuleNotFoundError as missing:
        if missing.name != f"{package}.{name}":
            raise
        raise LookupError(f"{package} has no exchange {name!r}") from None
    return getattr(module, name)


def _prepare() -> None:
    if "ccxt" in sys.modules:
        return
    packages = [_unrun("ccxt"), _unrun("ccxt.async_support")]
    errors = importlib.import_module("ccxt.base.errors")
    for package in packages:
        for name, value in vars(errors).items():
            if isinstance(value, type):
                setattr(package, name, value)
    packages[0].Exchange = importlib.import_module("ccxt.base.exchange").Exchange  # type: ignore[attr-defined]


def _unrun(name: str) -> ModuleType:
    """The package ``name`` as a module whose body runs only when a name is asked for that is not there yet."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ImportError(f"{name} is not installed")
    module = importlib.util.module_from_spec(spec)
    module.__getattr__ = _runner(module, spec)  # type: ignore[method-assign]
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    return module


def _runner(module: ModuleType, spec: ModuleSpec) -> Any:
    def run(name: str) -> Any:
        # Dunder lookups (inspect, pickle, doctest) must not cost seconds; __all__ is a star import, which needs it.
        if (name.startswith("__") and name != "__all__" and name != "__version__") or "__getattr__" not in vars(module):
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        del module.__getattr__
        if spec.loader is not None:
            spec.loader.exec_module(module)
        return getattr(module, name)

    return run
