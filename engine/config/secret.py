"""Secret values: text that must be asked for by name (``reveal``) and never appears by accident."""

import re
from typing import Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

MASK: Final = "***"
_PASSWORD_IN_QUERY: Final = re.compile(r"(?P<head>[?&](?:ssl)?passw(?:or)?d=)(?P<password>[^&\s]+)", re.IGNORECASE)
_PASSWORD_IN_URL: Final = re.compile(
    r"(?P<head>(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^/@\s:]*):(?P<password>[^/\s]*)@", re.IGNORECASE
)


class Secret:
    """A secret text. ``repr``, ``str`` and formatting give ``***``; pickling and copying to JSON are refused."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself. Every caller of this is a place to review."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> Any:
        raise TypeError("a Secret is not pickled")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._from_config, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "writeOnly": True}

    @classmethod
    def _from_config(cls, value: object) -> "Secret":
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls(str(value))
        raise ValueError("expected text (a secret; write it as ${NAME} and put NAME into the environment file)")


class SecretUrl(Secret):
    """A URL that may hold a password: prints with the password masked, ``reveal`` gives all of it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return mask_url(self._text)

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    @property
    def password(self) -> str | None:
        """The password in the URL or its query, None where there is none."""
        found = _PASSWORD_IN_URL.search(self._text) or _PASSWORD_IN_QUERY.search(self._text)
        return found["password"] if found else None


def mask_url(text: str) -> str:
    """``text`` with the password of every URL in it replaced by ``***``."""
    return _PASSWORD_IN_QUERY.sub(rf"\g<head>{MASK}", _PASSWORD_IN_URL.sub(rf"\g<head>:{MASK}@", text))
