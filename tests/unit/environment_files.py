"""Environment files as people write them, each with what systemd reads in it, and what our reader says beside that."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """``values``: what we read. ``faults``: lines we cannot read. ``systemd``: what it reads, where that differs."""

    name: str
    text: bytes
    values: dict[str, str]
    faults: tuple[int, ...] = ()
    systemd: dict[str, str] | None = field(default=None)

    @property
    def by_systemd(self) -> dict[str, str]:
        return self.values if self.systemd is None else self.systemd


PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----"
CASES = (
    Case("plain", b"A=1\nB=two\n", {"A": "1", "B": "two"}),
    Case("no last line end", b"A=1", {"A": "1"}),
    Case("empty", b"", {}),
    Case("empty values", b"A=\nB=\"\"\nC=''\nD=   \n", {"A": "", "B": "", "C": "", "D": ""}),
    Case("comments", b"# a\n; b\n  # c = d\n\nA=1\n", {"A": "1"}),
    Case("a hash is part of a value", b"A=1 # not a comment\nB=a;b\n", {"A": "1 # not a comment", "B": "a;b"}),
    Case("Windows line ends", b"A=1\r\nB=\"two\"\r\nC='3'  \r\n# c\r\nD=4", {"A": "1", "B": "two", "C": "3", "D": "4"}),
    Case("old Mac line ends", b"A=1\rB=2\r", {"A": "1", "B": "2"}),
    Case("blanks around", b"  A = 1  \n\tB\t=\t2\t\nC=a  b \n", {"A": "1", "B": "2", "C": "a  b"}),
    Case(
        "quotes",
        b'A=\'one two\'\nB="one two"\nC="it\'s"\nD=\'say "x"\'\n',
        {"A": "one two", "B": "one two", "C": "it's", "D": 'say "x"'},
    ),
    Case("escaped quote", b'SEC="a\\"b$c#d"\n', {"SEC": 'a"b$c#d'}),
    Case(
        "escapes",
        b'A="\\\\ \\$ \\` \\n"\nB=a\\ b\\\\c\\"\nC=\'a\\b\'\n',
        {"A": "\\ $ ` \\n", "B": 'a b\\c"', "C": "a\\b"},
    ),
    Case("quotes in the middle stay", b'A=x"y"z\nB=it\'s\n', {"A": 'x"y"z', "B": "it's"}),
    Case("parts join", b'A="a"\'b\'  "c" d\n', {"A": "abcd"}),
    Case(
        "nothing is expanded",
        b'A=$HOME ${A} `id` $(id)\nB="$HOME `id`"\nC=~/x\n',
        {"A": "$HOME ${A} `id` $(id)", "B": "$HOME `id`", "C": "~/x"},
    ),
    Case("equal signs and shell words", b"A=a=b==\nB=a&b|c>d;e*f?\n", {"A": "a=b==", "B": "a&b|c>d;e*f?"}),
    Case("over several lines", b'A="' + PEM.encode() + b"\"\nB='x\ny'\nC=3\n", {"A": PEM, "B": "x\ny", "C": "3"}),
    Case("continued lines", b'A=one\\\ntwo\nB="one\\\ntwo"\nC=3\n', {"A": "onetwo", "B": "onetwo", "C": "3"}),
    Case("a backslash before a Windows line end", b"A=one\\\r\nB=2\r\n", {"A": "one", "B": "2"}),
    Case("the last of a name counts", b"A=1\nB=2\nA=3\n", {"A": "3", "B": "2"}),
    Case("not ASCII", "A=h\u00e9 \u2713\n".encode(), {"A": "h\u00e9 \u2713"}),
    Case("export", b"export A=1\n  export\tB='2'\nC=3\n", {"A": "1", "B": "2", "C": "3"}, (), {"C": "3"}),
    Case("a name that is export", b"export=1\nexport = 2\n", {"export": "2"}),
    Case("byte order mark", b"\xef\xbb\xbfA=1\nB=2\n", {"A": "1", "B": "2"}, (), {"B": "2"}),
    Case("no equal sign", b"A=1\nnothing\nexport B\nC=3\n", {"A": "1", "C": "3"}, (2, 3)),
    Case("bad names", b"1A=1\nA-B=1\n=1\na b=1\nC=3\n", {"C": "3"}, (1, 2, 3, 4)),
    Case("a control character", b"A=a\x07b\nB=2\n", {"A": "a\x07b", "B": "2"}),
    Case("a Windows line end between quotes", b'A="x\r\ny"\r\nB=2\r\n', {"A": "x\r\ny", "B": "2"}),
    Case("a quote never closed", b'A=1\nB="abc\nC=3\n', {"A": "1", "C": "3"}, (2,), {"A": "1", "B": "abc\nC=3\n"}),
)
"""systemd refuses what these hold as a whole, or its releases differ; ours go on after the line."""
OURS = (
    Case("not UTF-8", b"A=\xff\xfe\nB=2\n", {"B": "2"}, (1,)),
    Case("NUL", b"A=a\0b\nB=2\n", {"B": "2"}, (1,)),
    Case("UTF-16", "A=1\n".encode("utf-16"), {}, (1, 2)),
    Case("a comment that ends in a backslash", b"# a \\\nB=2\n", {"B": "2"}, (1,)),
)  # fmt: skip
