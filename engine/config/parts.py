"""What the configuration's sections are made of: a key with its meaning, and the types that several share."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from engine.config.secret import Secret
from engine.config.values import Duration, Int, Text


def key(default: Any = ..., *, doc: str, reload: bool = False, unit: str = "", **bounds: Any) -> Any:
    """One key: its default (none = the key is required), its meaning, and whether it may change while running."""
    return Field(default, description=doc, json_schema_extra={"reload": reload, "unit": unit}, **bounds)


def _positive(value: Duration) -> Duration:
    if value <= 0:
        raise ValueError("expected a duration above 0s")
    return value


Span = Annotated[Duration, AfterValidator(_positive)]
Port = Annotated[Int, Field(ge=0, le=65535)]
Name = Annotated[Text, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
MaybeSecret = Annotated[Secret | None, BeforeValidator(lambda value: None if value == "" else value)]  # "" = not set
Asset = Annotated[Text, Field(pattern=r"^[A-Z0-9]{1,20}$")]
Symbol = Annotated[Text, Field(pattern=r"^[A-Z0-9]{2,20}(_[A-Z0-9]+)?$")]


def seconds_of(text: str) -> Duration:
    """A default's length of time, as it is written in a file."""
    return Duration.parse(text)


def shown_name(name: str) -> str:
    """What users read of a class of this file: a section goes by its key's name."""
    return name.removesuffix("Section")


class Section(BaseModel):
    """What all sections share: no unknown keys, no change after loading, no input in any message."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        model_title_generator=lambda section: shown_name(section.__name__),
    )
