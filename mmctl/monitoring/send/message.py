"""What is said to people, and what came back."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a message: its name, its type (``text/html``) and its bytes."""

    name: str
    mime: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the channel answered, within ``seconds``. ``proves`` says what that answer proves and what it does not.

    ``left_out`` is what the channel could not take, "" where it took everything.
    """

    channel: str
    kind: str
    answer: str
    proves: str
    seconds: float
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request to a channel. ``url`` may hold a secret: it is never shown, ``shown`` is."""

    url: str
    body: bytes
    shown: str
    content_type: str = "application/json; charset=utf-8"
    bearer: str = ""
