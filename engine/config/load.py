"""Loading a configuration file: environment in, every error at once out, secrets nowhere but in ``Secret``."""

import difflib
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from engine.config import document as documents
from engine.config.document import Document, Path, dotted
from engine.config.environment import parse
from engine.config.errors import ConfigError, ConfigErrors
from engine.config.rules import broken_rules
from engine.config.schema import Config
from engine.config.show import section_of
from engine.config.values import Expanded

_BOUNDS: Final = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
}
_SECRETIVE: Final = (("exchange",), ("sentinel",), ("store",))
_LONGEST_SHOWN: Final = 12
_KIND: Final = {dict: "a section", list: "a list", bool: "true/false", type(None): "nothing", str: "text"}


def load(
    path: str | os.PathLike[str],
    env: Mapping[str, str] | None = None,
    *,
    env_file: str | os.PathLike[str] | None = None,
    deep: bool = False,
    stopping: bool = False,
) -> Config:
    """The configuration in ``path``.

    ``env`` replaces the process's environment (default: it, then systemd's credentials); ``env_file`` is a
    NAME=value file that comes before it. ``deep`` also checks the strategy's own parameters, which imports the
    strategies. Raises ``ConfigErrors`` with every error, an unreadable file included. With ``stopping`` what cannot be
    read of an environment file is told on stderr and left out: who only stops orders may not need it.
    """
    return load_as_read(path, env, env_file=env_file, deep=deep, stopping=stopping)[0]


def load_as_read(
    path: str | os.PathLike[str],
    env: Mapping[str, str] | None = None,
    *,
    env_file: str | os.PathLike[str] | None = None,
    deep: bool = False,
    stopping: bool = False,
) -> tuple[Config, str]:
    """As ``load``, with the SHA-256 (hex) of the very bytes that were read: the file may be another one a moment
    later."""
    file = str(path)
    try:
        raw = FilePath(path).read_bytes()
        text = raw[: documents.MAX_BYTES + 1].decode("utf-8")
    except OSError as error:
        reason = error.strerror or "it cannot be opened"
        hint = "`mmctl init DIR` writes a complete one"
        raise ConfigErrors([ConfigError(file, 0, "", f"cannot read the file: {reason}", hint)]) from None
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigErrors([ConfigError(file, line, "", "the file is not UTF-8 text")]) from None
    if len(raw) > documents.MAX_BYTES:
        raise ConfigErrors([ConfigError(file, 0, "", "the file is larger than 1 MB; this is not a configuration")])
    known = credentials(stopping=stopping) if env is None else dict(env)
    if env_file is not None:
        known = {**known, **read_env_file(env_file, stopping=stopping)}
    return load_text(text, file, known, deep=deep), hashlib.sha256(raw).hexdigest()


def load_text(text: str, file: str = "<config>", env: Mapping[str, str] | None = None, *, deep: bool = False) -> Config:
    """As ``load``, from text. Without ``env`` the environment counts as empty."""
    document = documents.read(text, file, documents.environment_lookup(env or {}))
    errors = list(document.errors)
    if not document.data:
        raise ConfigErrors(errors or [ConfigError(file, 1, "", "the file holds no section")])
    config, problems = _validate(document)
    already = {(error.line, error.path) for error in errors}
    errors += [error for error in problems if (error.line, error.path) not in already]
    if config is not None:
        bad = {error.path for error in errors}
        rules = broken_rules(config, deep=deep)
        errors += [
            ConfigError(file, document.line(path), dotted(path), message, hint)
            for path, message, hint in rules
            if dotted(path) not in bad
        ]
    if errors or config is None:
        raise ConfigErrors(errors)
    return config


def _validate(document: Document) -> tuple[Config | None, list[ConfigError]]:
    """The configuration and the errors. With errors, what is left once the bad keys are out (None if that fails)."""
    try:
        return Config.model_validate(document.data), []
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    errors: dict[str, ConfigError] = {}
    rest = _copy(document.data)
    for item in found:
        path: Path = tuple(part for part in item["loc"] if isinstance(part, str | int))
        reported = _explain(document, path, item)
        errors.setdefault(reported.path, reported)
        _remove(rest, path)
    try:
        return Config.model_validate(rest), list(errors.values())
    except ValidationError:
        return None, list(errors.values())


def _explain(document: Document, path: Path, item: Any) -> ConfigError:
    kind, context = item["type"], item.get("ctx", {})
    line, hint = document.line(path), ""
    value = document.value(path)
    match kind:
        case "missing":
            parent = "the file" if len(path) == 1 else f"section {dotted(path[:-1])}"
            message, hint = f"{parent} lacks the key {path[-1]}", _written_as(document, path)
        case "extra_forbidden":
            message, hint = "unknown key", _nearest(path)
        case "literal_error":
            allowed = str(context["expected"]).replace("'", "")
            close = difflib.get_close_matches(str(value), allowed.replace(" or ", ", ").split(", "), 1)
            message, hint = f"expected {allowed}", f"did you mean {close[0]}?" if close else ""
        case _ if kind in _BOUNDS:
            word, bound = _BOUNDS[kind]
            message = f"must be {word} {_plain(context[bound])}{_found(path, value)}"
        case "value_error":
            message = f"{context['error']}{_found(path, value)}"
        case "string_pattern_mismatch":
            message = "expected letters, digits, dot, dash and underscore; a symbol in capitals such as ETHUSDT"
        case "model_type" | "dict_type":
            message = f"expected a section of keys{_found(path, value)}"
        case "list_type":
            message, hint = f"expected a list{_found(path, value)}", "write [a, b]"
        case "too_short":
            message = "expected at least one entry"
        case "path_type":
            message = f"expected a path{_found(path, value)}"
        case _:
            message = f"this value does not fit ({kind.replace('_', ' ')})"
    return ConfigError(document.file, line, dotted(path), message, hint)


def _found(path: Path, value: Any) -> str:
    """``, found ...`` by kind; a value might be a secret, its own or one in a wrong place.

    Quoted are only short numbers, where a number is wanted, in sections that hold no key of an account: a secret of
    digits that nobody put in quotes is a number to YAML.
    """
    if isinstance(value, Expanded):
        return ", found something else in the environment"
    if type(value) in _KIND:
        return f", found {_KIND[type(value)]}"
    text = _plain(value)
    if path[:1] in _SECRETIVE or len(text) > _LONGEST_SHOWN or not _wants_number(path):
        return ", found a number"
    return f", found {text}"


def _wants_number(path: Path) -> bool:
    section = section_of(path[:-1])
    field = section.model_fields.get(str(path[-1])) if section is not None else None
    return field is not None and not any(word in str(field.annotation) for word in ("Secret", "str", "Path", "Literal"))


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value:f}" if isinstance(value, Decimal) and value.is_finite() else f"{value}"


def _nearest(path: Path) -> str:
    """The valid key most like an unknown one: in its own section first, then anywhere."""
    section = section_of(path[:-1])
    name = str(path[-1])
    if section is not None:
        close = difflib.get_close_matches(name, list(section.model_fields), 1, 0.6)
        if close:
            return f"did you mean {dotted((*path[:-1], close[0]))}?"
    elsewhere = [where for where in _all_keys(Config, ()) if where[-1] == name]
    if elsewhere:
        return f"it belongs at {dotted(elsewhere[0])}"
    if section is not None:
        return "valid keys here: " + ", ".join(section.model_fields)
    return ""


def _written_as(document: Document, path: Path) -> str:
    """For a missing key: an unknown sibling that looks like it."""
    siblings = document.value(path[:-1])
    section = section_of(path[:-1])
    if not isinstance(siblings, dict) or section is None:
        return ""
    unknown = [str(name) for name in siblings if name not in section.model_fields]
    close = difflib.get_close_matches(str(path[-1]), unknown, 1, 0.6)
    return f"is {close[0]} meant?" if close else ""


def _all_keys(model: type[BaseModel], prefix: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name in model.model_fields:
        yield (*prefix, name)
        inner = section_of((*prefix, name))
        if inner is not None:
            yield from _all_keys(inner, (*prefix, name))


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copy(inner) for name, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def _remove(tree: Any, path: Path) -> None:
    for part in path[:-1]:
        if not isinstance(tree, dict) or part not in tree:
            return
        tree = tree[part]
    if isinstance(tree, dict) and path:
        tree.pop(path[-1], None)


def credentials(*, stopping: bool = False) -> dict[str, str]:
    """The process's environment, completed by systemd's credentials (``LoadCredential=``, one file a variable)."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    found: dict[str, str] = {}
    if folder and FilePath(folder).is_dir():
        for entry in sorted(FilePath(folder).iterdir()):
            if entry.suffix == ".env":
                found.update(read_env_file(entry, stopping=stopping))
            elif entry.is_file():
                found[entry.name] = entry.read_text(encoding="utf-8", errors="surrogateescape").rstrip("\n")
    return {**found, **os.environ}


def read_env_file(path: str | os.PathLike[str], *, stopping: bool = False) -> dict[str, str]:
    """The variables of an environment file, by ``engine.config.environment``.

    Raises ``ConfigErrors`` naming file and line, never a value; ``stopping``: as ``load`` has it.
    """
    file = str(path)
    try:
        found = parse(FilePath(path).read_bytes())
        errors = [ConfigError(file, fault.line, "", fault.message) for fault in found.faults]
        values = found.values
    except OSError as error:
        reason = error.strerror or "it cannot be opened"
        errors, values = [ConfigError(file, 0, "", f"cannot read the environment file: {reason}")], {}
    if errors and not stopping:
        raise ConfigErrors(errors)
    for left_out in errors:
        print(f"{left_out}; left out", file=sys.stderr)
    return values
