"""Which series an expression of PromQL asks for, and how: read from its tokens, without a parser of the language.

What is no PromQL at all is promtool's to say (``mmctl monitoring check`` asks it); here only brackets are counted.
"""

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

TOKEN: Final = re.compile(
    r"""\s+|\#[^\n]*
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
    |(?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?:ms|[smhdwy])?(?:\d+(?:ms|[smhdwy]))*)
    |(?P<name>[A-Za-z_][A-Za-z0-9_:]*|\$(?:\{\w+(?::\w+)?\}|\w+)(?=[\s\])},:]))
    |(?P<sign>=~|!~|!=|==|<=|>=|[-+*/%^<>=(){}\[\],:@])
    """,
    re.VERBOSE,
)
#: Words before a list of labels; what stands in the list is no series.
LISTS: Final = ("by", "without", "on", "ignoring", "group_left", "group_right")
WORDS: Final = ("and", "or", "unless", "atan2", "bool", "offset", "inf", "nan", "start", "end", *LISTS)
CLOSES: Final = {")": "(", "]": "[", "}": "{"}


class PromqlError(ValueError):
    """Brackets that do not fit, or a sign that PromQL does not have."""


class Matcher(NamedTuple):
    """``label`` compared by ``sign`` (=, !=, =~, !~) with ``value``."""

    label: str
    sign: str
    value: str


@dataclass(frozen=True, slots=True)
class Selector:
    """One series asked for. ``range`` is what stands in its brackets ("" for none), ``call`` the function it is the
    argument of ("" for none)."""

    name: str
    matchers: tuple[Matcher, ...] = ()
    range: str = ""
    call: str = ""


class _Token(NamedTuple):
    kind: str
    text: str


def _tokens(expression: str) -> list[_Token]:
    found, at = [], 0
    while at < len(expression):
        match = TOKEN.match(expression, at)
        if match is None:
            raise PromqlError(f"{expression[at : at + 12]!r} is no PromQL")
        at = match.end()
        if match.lastgroup:
            found.append(_Token(match.lastgroup, match[0]))
    return found


def selectors(expression: str) -> list[Selector]:
    """Every series that ``expression`` asks for, in its order. Raises PromqlError."""
    return _Reader(_tokens(expression)).read()


def names(expression: str) -> set[str]:
    """The names of all series that are asked for."""
    return {selector.name for selector in selectors(expression)}


class _Reader:
    """Goes through the tokens once; ``calls`` holds the function of each round bracket that is open."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens, self.at = tokens, 0
        self.found: list[Selector] = []

    def peek(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.tokens[at].text if at < len(self.tokens) else ""

    def read(self) -> list[Selector]:
        calls: list[tuple[str, str]] = []  # bracket, function before it
        while self.at < len(self.tokens):
            kind, text = self.tokens[self.at]
            following = self.peek(1)
            if kind == "name" and text in LISTS and following == "(":
                self.at += 1
                self._until(")")
            elif kind == "name" and text in WORDS:
                self.at += 1
            elif kind == "name" and (following == "(" or following in LISTS):
                self._function(calls, text)
            elif (kind == "name" and not text.startswith("$")) or text == "{":
                self.found.append(self._selector(calls[-1][1] if calls else ""))
            else:
                if text in CLOSES.values():
                    calls.append((text, ""))
                elif text in CLOSES and (not calls or calls.pop()[0] != CLOSES[text]):
                    raise PromqlError(f"a {text} too many")
                self.at += 1
        if calls:
            raise PromqlError(f"a {calls[-1][0]} that is not closed")
        return self.found

    def _function(self, calls: list[tuple[str, str]], name: str) -> None:
        self.at += 1
        while self.peek() in LISTS:  # sum by (side) (...)
            self.at += 1
            self._until(")")
        if self.peek() != "(":
            raise PromqlError(f"{name} without its argument")
        calls.append(("(", name))
        self.at += 1

    def _until(self, sign: str) -> list[_Token]:
        """What stands from here to ``sign``, which is passed."""
        begun = self.at
        while self.peek() != sign:
            if self.at >= len(self.tokens):
                raise PromqlError(f"a {CLOSES[sign]} that is not closed")
            self.at += 1
        self.at += 1
        return self.tokens[begun : self.at - 1]

    def _selector(self, call: str) -> Selector:
        name = ""
        if self.peek() != "{":
            name = self.peek()
            self.at += 1
        matchers: tuple[Matcher, ...] = ()
        if self.peek() == "{":
            self.at += 1
            inside = self._until("}")
            matchers = tuple(
                Matcher(label.text, sign.text, value.text[1:-1])
                for label, sign, value in zip(inside[::4], inside[1::4], inside[2::4], strict=False)
            )
        within = ""
        if self.peek() == "[":
            self.at += 1
            within = "".join(token.text for token in self._until("]"))
        return Selector(name, matchers, within, call)
