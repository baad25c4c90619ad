"""The configuration: schema, loading with every error at once, secrets, and what may change while running.

``load`` and ``diff`` share their modules' names, so they come from there: ``from engine.config.load import load``.

``import engine.config`` costs nothing: pydantic and PyYAML are loaded with the first name that is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.config.diff import Change, apply_reload
    from engine.config.errors import ConfigError, ConfigErrors
    from engine.config.load import credentials, load_text, read_env_file
    from engine.config.schema import Config
    from engine.config.secret import Secret, SecretUrl
    from engine.config.show import config_hash, dump, effective, json_schema, keys, secrets
    from engine.config.values import Duration

_HOME = {
    "Change": "diff",
    "Config": "schema",
    "ConfigError": "errors",
    "ConfigErrors": "errors",
    "Duration": "values",
    "Secret": "secret",
    "SecretUrl": "secret",
    "apply_reload": "diff",
    "config_hash": "show",
    "credentials": "load",
    "dump": "show",
    "effective": "show",
    "json_schema": "show",
    "keys": "show",
    "load_text": "load",
    "read_env_file": "load",
    "secrets": "show",
}

__all__ = [
    "Change",
    "Config",
    "ConfigError",
    "ConfigErrors",
    "Duration",
    "Secret",
    "SecretUrl",
    "apply_reload",
    "config_hash",
    "credentials",
    "dump",
    "effective",
    "json_schema",
    "keys",
    "load_text",
    "read_env_file",
    "secrets",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
