"""The command line frame: finds the verb in the table, imports only its module, gives it the common options.

A Typer application is built for the one verb that was asked for, so ``mmctl status`` never pays for ``mmctl deploy``.
Verb functions call ``mmctl.cli.run.current()`` for their invocation; they return None (exit 0), raise an
``mmctl.fleet.errors.OperatorError``, or raise ``typer.Exit`` with a code of the contract.
"""

import functools
import importlib
import inspect
import os
import signal
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

from mmctl.cli import completion, errors, examples
from mmctl.cli.output import Output
from mmctl.cli.run import Run, begin, new_run_id, seconds
from mmctl.cli.verbs import PROGRAM, VERBS, Verb
from mmctl.fleet.errors import DeadlineExceeded, UsageError

if TYPE_CHECKING:
    import typer

COMPLETE_VAR = completion.VARIABLE
_FLAGS = {"--json", "-v", "-vv", "--verbose", "-q", "--quiet"}
_WITH_VALUE = {"--fleet", "--deadline"}
#: After the deadline a verb has this long to end by itself before it is interrupted from outside, seconds.
_GRACE_S = 2.0


def split(args: Sequence[str]) -> tuple[str, list[str]]:
    """``(verb, its arguments)``; common options written before the verb are moved behind it. Raises UsageError."""
    early: list[str] = []
    rest = list(args)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word in _FLAGS or (word.split("=", 1)[0] in _WITH_VALUE and "=" in word):
            early.append(word)
        elif word in _WITH_VALUE and rest:
            early += [word, rest.pop(0)]
        else:
            raise UsageError(f"no such option: {word}", hint=f"See {PROGRAM} --help.")
    if not rest:
        raise UsageError("which verb?", hint=f"See {PROGRAM} --help.")
    name = rest.pop(0)
    verb = VERBS.get(name)
    if verb is None:
        near = get_close_matches(name, VERBS, n=3, cutoff=0.5)
        step = f"Did you mean {' or '.join(near)}?" if near else f"See {PROGRAM} --help."
        raise UsageError(f"no such verb: {name}", hint=step)
    return name, _place_common(verb, rest, early)


def _place_common(verb: Verb, rest: list[str], early: list[str]) -> list[str]:
    """Puts the bare sub-verb and the early options where the sub-verb's own parser sees them."""
    if not verb.subverbs:
        return early + rest
    leading: list[str] = []
    while rest and rest[0].startswith("-") and rest[0] not in ("-h", "--help"):
        leading.append(rest.pop(0))
        if leading[-1] in _WITH_VALUE and rest:
            leading.append(rest.pop(0))
    if rest and (rest[0] in verb.subverbs or rest[0] in ("-h", "--help")):
        return [rest[0], *early, *leading, *rest[1:]]
    if verb.bare:
        return [verb.bare, *early, *leading, *rest]
    if rest:
        near = get_close_matches(rest[0], verb.subverbs, n=1, cutoff=0.5)
        step = f"Did you mean {near[0]}?" if near else ""
        raise UsageError(f"no such sub-verb: {rest[0]} (one of {', '.join(verb.subverbs)})", hint=step)
    return ["--help"]


def run(args: Sequence[str]) -> int:
    """Runs one command line and returns its exit code. Never raises except on a second signal."""
    if COMPLETE_VAR in os.environ:
        return _complete()
    if args[:1] == ["--version"]:
        from importlib.metadata import version

        print(f"{PROGRAM} {version('mmctl')}")
        return 0
    if args[:1] in (["--install-completion"], ["--show-completion"]):
        return _completion_for(args[0], args[1] if len(args) > 1 else "")
    words = {word for word in args if word.startswith("-")}
    verbose = sum(word.count("v") for word in args if word in ("-v", "-vv")) + ("--verbose" in words)
    run_id, name, usage_exit = new_run_id(), "", 2
    before = _catch_signals()
    try:
        name, rest = split(args)
        usage_exit = VERBS[name].usage_exit
        app = _build(name, VERBS[name], run_id)
        return _invoke(app, [name, *rest])
    except UsageError as error:
        errors.report(error, verb=name, run_id=run_id, json_mode="--json" in words, verbose=verbose)
        return usage_exit
    except BaseException as error:  # noqa: BLE001 - every end of a run becomes a sentence and an exit code
        if isinstance(error, SystemExit):
            return error.code if isinstance(error.code, int) else 1
        code = errors.report(error, verb=name, run_id=run_id, json_mode="--json" in words, verbose=verbose)
        # A monitoring plugin has only four codes: whatever went wrong, it does not know the state.
        return usage_exit if usage_exit == 3 and code < 128 else code
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _invoke(app: "typer.Typer", args: list[str]) -> int:
    import typer
    from typer.main import get_command

    usage_error = next(cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException")
    try:
        code = get_command(app)(args, prog_name=PROGRAM, standalone_mode=False)
    except typer.Abort:
        raise UsageError("not confirmed; nothing was done") from None
    except Exception as error:
        if isinstance(error, usage_error):
            text = getattr(error, "format_message", error.__str__)()
            verb = " ".join(args[:2] if VERBS[args[0]].subverbs else args[:1])
            raise UsageError(str(text), hint=f"See {PROGRAM} {verb} --help.") from None
        raise
    return code if isinstance(code, int) else 0


def _load(verb: Verb) -> Any:
    module, _, attribute = verb.target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _build(name: str, verb: Verb, run_id: str) -> "typer.Typer":
    """A Typer application with one verb, whose commands take the common options as well as their own."""
    import typer

    settings = {"help_option_names": ["-h", "--help"]}
    app = typer.Typer(
        name=PROGRAM, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
        context_settings=settings,
    )  # fmt: skip
    app.callback()(_nothing)  # keeps the verb's name a word of the command line even when it is the only one
    loaded = _load(verb)
    if isinstance(loaded, typer.Typer):
        loaded.rich_markup_mode = None
        for command in loaded.registered_commands:
            if command.callback is not None:
                sub = command.name or command.callback.__name__.replace("_", "-")
                command.callback = with_common_options(command.callback, f"{name} {sub}", run_id)
                command.context_settings = settings | (command.context_settings or {})
                command.epilog = examples.text(name, sub)
        loaded.callback()(_nothing)
        app.add_typer(loaded, name=name, help=verb.help, context_settings=settings, epilog=examples.text(name))
    else:
        # Pass-through verbs set ``context_settings`` on their function to take unknown options.
        own = getattr(loaded, "context_settings", {})
        app.command(name, context_settings=settings | own, epilog=examples.text(name))(
            with_common_options(loaded, name, run_id)
        )
    return app


def _nothing() -> None:
    """A group does nothing by itself."""


def with_common_options(verb: Callable[..., object], name: str, run_id: str) -> Callable[..., object]:
    """``verb`` with --json, --fleet, --deadline, -v and -q added to its signature; they become the current Run."""
    import typer

    verb = getattr(verb, "bare_verb", verb)  # a sub-verb's application lives as long as its module: wrap only once

    def option(kind: Any, default: object, text: str, *names: str, **extra: Any) -> inspect.Parameter:
        annotation = Annotated[kind, typer.Option(*names, help=text, **extra)]
        return inspect.Parameter(
            "common_" + names[0].strip("-"), inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )

    common = [
        option(bool, False, "NDJSON events on stdout; never prompts.", "--json", show_default=False),
        option(Path | None, None, "The fleet file.", "--fleet", envvar="MMCTL_FLEET", show_default=False),
        option(str | None, None, "Give up after this time (30s, 5m).", "--deadline", show_default=False),
        option(int, 0, "Say more; twice for the wire.", "--verbose", "-v", count=True, show_default=False),
        option(bool, False, "Say only results.", "--quiet", "-q", show_default=False),
    ]
    signature = inspect.signature(verb, eval_str=True)

    @functools.wraps(verb)
    def wrapped(**values: Any) -> object:
        given = {key.removeprefix("common_"): values.pop(key) for key in [p.name for p in common]}
        limit = seconds(given["deadline"]) if given["deadline"] else None
        out = Output(run_id=run_id, json_mode=given["json"], quiet=given["quiet"], verbose=given["verbose"])
        begin(Run(name, out, given["fleet"], limit, given["json"], given["quiet"], given["verbose"], run_id))
        if limit is None:
            return verb(**values)
        signal.setitimer(signal.ITIMER_REAL, limit + _GRACE_S)
        try:
            return verb(**values)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in signature.parameters.values()]
    wrapped.__signature__ = signature.replace(parameters=[*own, *common])  # type: ignore[attr-defined]
    wrapped.bare_verb = verb  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in [*own, *common]}
    return wrapped


def _catch_signals() -> dict[int, Any]:
    """SIGTERM and SIGHUP unwind like Ctrl-C; the deadline's alarm becomes DeadlineExceeded. Returns what was there."""

    def stop(signum: int, frame: FrameType | None) -> None:
        # A lost terminal is told more than once, by the kernel, by the shell and by ourselves: that is no second wish.
        signal.signal(signal.SIGHUP, lambda signum, frame: None)
        if signum != signal.SIGHUP:
            signal.signal(signum, signal.SIG_DFL)  # a second one ends the process at once
        raise errors.Terminated(signum)

    def late(signum: int, frame: FrameType | None) -> None:
        raise DeadlineExceeded("the deadline is over", hint="Check the state with mmctl status before repeating.")

    handlers = {signal.SIGTERM: stop, signal.SIGHUP: stop, signal.SIGALRM: late}
    return {signum: signal.signal(signum, handler) for signum, handler in handlers.items()}


def _complete() -> int:
    """Answers the shell: verbs from the table, options and sub-verbs from the one verb on the line."""
    shell = os.environ[COMPLETE_VAR]
    if shell in completion.SHELLS:
        found = completion.answer(shell, os.environ.get(completion.LINE, ""), _offer)
        sys.stdout.write(found and found + "\n")
    else:
        _offer(os.environ.get("COMP_WORDS", os.environ.get("_TYPER_COMPLETE_ARGS", "")))
    return 0


def _offer(line: str) -> None:
    """Prints what completes ``line``, as Typer does for the shell that the environment names."""
    import typer

    name = next((word for word in line.split()[1:] if word in VERBS), "")
    app = _build(name, VERBS[name], "") if name else typer.Typer(name=PROGRAM, add_completion=False)
    if not name:
        app.callback()(_nothing)
    for other, verb in VERBS.items():
        if other != name:
            app.command(other, help=verb.help)(_nothing)
    importlib.import_module("typer.completion").completion_init()
    typer.main.get_command(app)([], prog_name=PROGRAM, complete_var=COMPLETE_VAR)


def _completion_for(verb: str, shell: str) -> int:
    """``--show-completion`` prints the script of a shell; ``--install-completion`` writes it where that shell looks."""
    if shell not in completion.SHELLS:
        print(f"{PROGRAM}: which shell? {verb} bash, zsh or fish", file=sys.stderr)
        return 2
    if verb == "--show-completion":
        sys.stdout.write(completion.SCRIPTS[shell])
        return 0
    try:
        files = completion.install(shell)
    except OSError as error:
        print(f"{PROGRAM}: cannot write {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"Completion for {shell} is in {', '.join(map(str, files))}; open a new terminal to use it.")
    return 0
