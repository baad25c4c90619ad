"""What a configuration says: effective values with secrets masked, its hash, JSON Schema, and the list of keys."""

import hashlib
import json
import types
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.json_schema import CoreRef, DefsRef, GenerateJsonSchema, JsonSchemaMode

from engine.config.document import Path
from engine.config.schema import Config, shown_name
from engine.config.secret import Secret, SecretUrl, mask_url
from engine.config.values import Duration


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """One key of the schema, for documentation and help."""

    path: str
    type: str
    default: str  # as it would be written; empty when the key is required
    required: bool
    reload: bool
    unit: str
    doc: str


def section_of(path: Path) -> type[BaseModel] | None:
    """The section class at ``path`` (``()`` is the whole file), None where there is no section."""
    model: type[BaseModel] = Config
    for part in path:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        inner = _section_in(field.annotation) if field is not None else None
        if inner is None:
            return None
        model = inner
    return model


def _section_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType):
        return next((found for part in get_args(annotation) if (found := _section_in(part))), None)
    return None


def plain(value: Any) -> Any:
    """``value`` as JSON-ready data: secrets masked, decimals and durations as text a file could hold."""
    match value:
        case BaseModel():
            return {name: plain(getattr(value, name)) for name in type(value).model_fields}
        case Secret() | Duration() | FilePath():
            return str(value)
        case Decimal():
            return f"{value.normalize():f}"
        case str():
            return mask_url(value)  # an address that should hold no password may hold one all the same
        case dict():
            return {str(name): plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case _:
            return value


def effective(config: Config) -> dict[str, Any]:
    """Every key with its value, defaults filled in and secrets masked."""
    shown: dict[str, Any] = plain(config)
    return shown


def dump(config: Config) -> str:
    """``effective`` as YAML; exact decimals stay as they were written."""
    return yaml.dump(_numbers(effective(config), config), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Writes exact decimals as plain numbers."""


class _Exact(str):
    __slots__ = ()


_Dumper.add_representer(_Exact, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:float", str(value)))


def _numbers(shown: Any, value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else _Exact(shown)
    if isinstance(value, BaseModel):
        return {name: _numbers(inner, getattr(value, name)) for name, inner in shown.items()}
    return shown


def config_hash(config: Config) -> str:
    """The first 16 hex digits of the SHA-256 over the effective configuration without its secrets."""
    text = json.dumps(effective(config), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def secrets(config: BaseModel) -> list[str]:
    """Every secret text in ``config``, for the log's redaction."""
    found: list[str] = []
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            found += secrets(value)
        elif isinstance(value, SecretUrl):
            found += [value.password] if value.password else []
        elif isinstance(value, Secret) and value:
            found.append(value.reveal())
    return found


def keys() -> list[KeyInfo]:
    """Every key of the schema in the order of the file."""
    return list(_keys(Config, ""))


def _keys(model: type[BaseModel], prefix: str) -> Iterator[KeyInfo]:
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        inner = _section_in(field.annotation)
        if inner is not None:
            yield from _keys(inner, f"{path}.")
            continue
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        required = field.is_required()
        default = "" if required or field.default is None else str(plain(field.default))
        kind = _type_name(field.annotation)
        yield KeyInfo(
            path,
            kind,
            default,
            required,
            bool(extra.get("reload")),
            str(extra.get("unit") or ""),
            field.description or "",
        )


def _type_name(annotation: Any) -> str:
    names = {bool: "true/false", int: "whole number", float: "number", Decimal: "exact number", str: "text"}
    names |= {Duration: "duration", FilePath: "path", Secret: "secret", SecretUrl: "URL"}
    if annotation in names:
        return names[annotation]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _type_name(next(part for part in inner if part is not type(None)))
    if origin is list:
        return f"list of {_type_name(inner[0])}"
    if origin is dict:
        return "map of name to number"
    if origin is not None and inner and not hasattr(annotation, "__metadata__"):
        return " | ".join(str(choice) for choice in inner)
    return _type_name(inner[0]) if inner else str(annotation)


class _ShownNames(GenerateJsonSchema):
    def get_defs_ref(self, core_mode_ref: tuple[CoreRef, JsonSchemaMode]) -> DefsRef:
        ref, mode = core_mode_ref
        name, separator, number = ref.rpartition(":")
        return super().get_defs_ref((CoreRef(f"{shown_name(name)}{separator}{number}"), mode))


def json_schema() -> dict[str, Any]:
    """The JSON Schema for editors; a key that is not text also allows ``${NAME}``."""
    schema = Config.model_json_schema(mode="validation", schema_generator=_ShownNames)
    for part in [schema, *schema.get("$defs", {}).values()]:
        for name, prop in list(part.get("properties", {}).items()):
            part["properties"][name] = _allow_variable(prop)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Market maker configuration"
    return schema


def _allow_variable(prop: dict[str, Any]) -> dict[str, Any]:
    kinds = {prop.get("type"), *(choice.get("type") for choice in prop.get("anyOf", []))}
    if not kinds & {"integer", "number", "boolean"} and "enum" not in prop and prop.get("pattern") is None:
        return prop
    about: dict[str, Any] = {
        name: prop.pop(name) for name in ("description", "default", "title", "reload", "unit") if name in prop
    }
    choices = prop["anyOf"] if set(prop) == {"anyOf"} else [prop]
    return {**about, "anyOf": [*choices, {"type": "string", "pattern": r"\$\{.+\}"}]}
