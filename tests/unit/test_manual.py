"""Help that is true: every verb has examples that the real command line takes, and the manual page is well formed."""

import functools
import inspect
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mmctl.cli import app, examples
from mmctl.cli.manual import EXITS, page
from mmctl.cli.verbs import PROGRAM, VERBS
from mmctl.fleet import errors
from tests.needs import ROOT, need_program
from tests.unit.conftest import Mmctl

ALL = [(verb, line) for verb, rows in examples.EXAMPLES.items() for line, _ in rows]


def test_every_verb_and_every_sub_verb_has_an_example_and_no_other_has() -> None:
    bare = {verb: VERBS[verb].bare for verb in VERBS}
    wanted = {(verb, sub) for verb, of in VERBS.items() for sub in (of.subverbs or ("",))}
    shown = set()
    for verb, line in ALL:
        words = shlex.split(line)
        assert words[0] == verb
        subverbs = VERBS[verb].subverbs
        shown.add((verb, (words[1] if words[1:] and words[1] in subverbs else bare[verb]) if subverbs else ""))
    assert wanted - shown == set()


@pytest.mark.parametrize("line", [line for _, line in ALL])
def test_the_command_line_takes_every_example(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verb itself is not called: all that stands before it is."""
    called: list[str] = []
    real = app.with_common_options

    def without_the_act(verb: Callable[..., object], name: str, run_id: str) -> Callable[..., object]:
        verb = getattr(verb, "bare_verb", verb)

        @functools.wraps(verb)
        def noted(**values: object) -> None:
            called.append(name)

        noted.__signature__ = inspect.signature(verb, eval_str=True)  # type: ignore[attr-defined]
        wrapped = real(noted, name, run_id)
        wrapped.bare_verb = verb  # type: ignore[attr-defined]
        return wrapped

    monkeypatch.setattr(app, "with_common_options", without_the_act)
    assert app.run(shlex.split(line)) == 0
    assert len(called) == 1


def test_help_shows_the_examples_of_what_was_asked(mmctl: Mmctl) -> None:
    assert "mmctl logs staging -f  " in mmctl("logs", "--help").out
    rotate = mmctl("secrets", "rotate", "--help").out
    assert "mmctl secrets rotate staging" in rotate
    assert "mmctl secrets list" not in rotate
    assert "mmctl secrets list staging" in mmctl("secrets", "--help").out


def test_the_page_names_every_verb_its_sub_verbs_and_every_exit_code() -> None:
    text = page()
    for name, verb in VERBS.items():
        assert f".B {name}\n" in text
        assert all(sub.replace("-", "\\-") in text for sub in verb.subverbs)
    codes = {str(value) for key, value in vars(errors).items() if key.isupper() and isinstance(value, int)}
    assert codes | {"70", "128+N"} == {code for code, _ in EXITS}


@pytest.mark.parametrize(
    "judge", [("groff", "-ww", "-b", "-z", "-man", "-Kutf8", "-Tutf8"), ("mandoc", "-T", "lint", "-W", "warning")]
)
def test_what_reads_manual_pages_has_no_complaint(judge: tuple[str, ...], tmp_path: Path) -> None:
    need_program(judge[0])
    file = tmp_path / f"{PROGRAM}.1"
    file.write_text(page())
    done = subprocess.run([*judge, str(file)], capture_output=True, text=True, timeout=60)
    assert (done.stdout + done.stderr).strip() == ""
    assert done.returncode == 0


def test_a_word_that_roff_would_obey_is_shown_as_it_stands() -> None:
    from mmctl.cli.manual import _plain

    assert _plain(".env it's --yes ~ \\n") == "\\&.env it\\(aqs \\-\\-yes \\(ti \\en"
    assert _plain("'quoted'").startswith("\\&")


def test_the_wheel_carries_the_page_and_the_completions(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        shared = {name.partition(".data/data/")[2]: name for name in archive.namelist() if ".data/data/" in name}
        assert set(shared) == {
            "share/man/man1/mmctl.1",
            "share/bash-completion/completions/mmctl",
            "share/zsh/site-functions/_mmctl",
            "share/fish/vendor_completions.d/mmctl.fish",
        }
        assert archive.read(shared["share/man/man1/mmctl.1"]).decode() == page()
