"""Completion in bash, zsh and fish: the shells' scripts, and what answers them from the table and the fleet file.

A script hands over the line as far as it is typed, and prints what comes back. What is offered comes from files on this
machine alone: no host is asked, and nothing heavy is loaded.
"""

import contextlib
import io
import os
import shlex
from collections.abc import Callable
from pathlib import Path

from mmctl.cli.verbs import PROGRAM
from mmctl.fleet.login import home

SHELLS = ("bash", "zsh", "fish")
#: Names a shell, and so asks for an answer in its form.
VARIABLE = f"_{PROGRAM.upper()}_COMPLETE"
LINE = f"_{PROGRAM.upper()}_LINE"
#: Characters at which bash, and not zsh or fish, begins another word: what stands before them is there already.
BREAKS = ":="
WITH_VALUE = ("--fleet", "--deadline")

_BASH = f"""# Completion of {PROGRAM} for bash.
_{PROGRAM}() {{
    local IFS=$'\\n'
    COMPREPLY=($({VARIABLE}=bash {LINE}="${{COMP_LINE:0:COMP_POINT}}" "$1" 2>/dev/null))
}}
complete -o default -F _{PROGRAM} {PROGRAM}
"""
_ZSH = f"""#compdef {PROGRAM}
# Completion of {PROGRAM} for zsh.
_{PROGRAM}() {{
    local -a found
    found=("${{(@f)$({VARIABLE}=zsh {LINE}="${{(j: :)words[1,CURRENT]}}" "$words[1]" 2>/dev/null)}}")
    [[ -n "${{found[1]}}" ]] && _describe '{PROGRAM}' found || _files
}}
if [[ "$funcstack[1]" == _{PROGRAM} ]]; then _{PROGRAM} "$@"; else compdef _{PROGRAM} {PROGRAM}; fi
"""
_FISH = f"""# Completion of {PROGRAM} for fish.
function __{PROGRAM}_words
    set -lx {VARIABLE} fish
    set -lx {LINE} (commandline -cp | string collect)
    set -l found ({PROGRAM} 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c {PROGRAM} -f -a '(__{PROGRAM}_words)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def words_of(line: str) -> tuple[list[str], str]:
    """The whole words of a line after the program's name, and the one that is being typed. Quotes may be open."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words.extend(lexer)
    except ValueError:  # a quote that is still open: what it holds is the word that is typed
        words.append(lexer.token)
    open_word = "" if not line or line[-1:].isspace() else words.pop() if words else ""
    return words[1:], open_word


def shown(shell: str, current: str, items: list[tuple[str, str]]) -> str:
    """``(word, help)`` as the shell's script reads them, one a line."""
    if shell == "bash":
        have = max((current.rfind(mark) + 1 for mark in BREAKS), default=0)
        return "\n".join(word[have:] for word, _ in items)
    if shell == "zsh":
        return "\n".join(word.replace(":", "\\:") + (f":{text}" if text else "") for word, text in items)
    return "\n".join(f"{word}\t{text}" if text else word for word, text in items)


def answer(shell: str, line: str, ask: Callable[[str], None]) -> str:
    """What ``shell`` is to offer for ``line``. ``ask`` runs the command line parser's own completion for a line."""
    words, current = words_of(line)
    fleet = next((words[i + 1] for i, word in enumerate(words[:-1]) if word == "--fleet"), "")
    fleet = next((word.partition("=")[2] for word in words if word.startswith("--fleet=")), fleet)
    if fleet:
        os.environ["MMCTL_FLEET"] = os.path.expanduser(fleet)
    while words and words[0].startswith("-"):  # common options before the verb say nothing of what may follow it
        del words[: 2 if words[0] in WITH_VALUE else 1]
    typed = shlex.join([PROGRAM, *words]) + " " + (shlex.quote(current) if current else "")
    os.environ |= {"_TYPER_COMPLETE_ARGS": typed, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    os.environ[VARIABLE] = "complete_fish"
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        ask(typed)
    rows = [row.partition("\t") for row in said.getvalue().splitlines() if row]
    return shown(shell, current, [(word, " ".join(text.split())) for word, _, text in rows])


def install(shell: str) -> list[Path]:
    """Write the script where the shell looks for it; the files written or added to. Raises OSError."""
    script = SCRIPTS[shell]
    if shell == "fish":
        return [_written(_config() / "fish/completions" / f"{PROGRAM}.fish", script)]
    if shell == "zsh":
        file = _written(home() / ".zfunc" / f"_{PROGRAM}", script)
        lines = "fpath=(~/.zfunc $fpath)\nautoload -Uz compinit && compinit\n"
        return [file, *_added(home() / ".zshrc", lines, "~/.zfunc")]
    file = _written(home() / ".bash_completions" / f"{PROGRAM}.sh", script)
    return [file, *_added(home() / ".bashrc", f"source {shlex.quote(str(file))}\n", str(file))]


def _config() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or home() / ".config")


def _written(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def _added(file: Path, lines: str, known_by: str) -> list[Path]:
    """Add ``lines`` to a shell's own file once."""
    before = file.read_bytes() if file.exists() else b""
    if known_by.encode() in before:
        return []
    with open(file, "ab") as sink:
        sink.write((b"" if not before or before.endswith(b"\n") else b"\n") + lines.encode())
    return [file]
