"""``mmctl config check|show|schema|diff``: what a configuration says, and everything that is wrong with it at once."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmctl.cli.offered import configs
from mmctl.cli.run import Run, current
from mmctl.fleet.accounts import obstacle
from mmctl.fleet.errors import ConfigRefused, OperatorError, Refused, UsageError

if TYPE_CHECKING:
    from engine.config.schema import Config
    from mmctl.fleet.inventory import Fleet

app = typer.Typer(help="Check, show, compare or describe a configuration.")

What = Annotated[
    str | None,
    typer.Argument(
        metavar="[FILE|TARGET]",
        help="A configuration or fleet file, or a target whose config is meant.",
        autocompletion=configs,
    ),
]
EnvFile = Annotated[Path | None, typer.Option("--env-file", help="NAME=value lines that ${NAME} reads first.")]


def _files(what: str | None, run: Run) -> list[tuple[Path, Path | None]]:
    """``(config file, its env file)`` of a file name, or of a target of the fleet."""
    if what is not None and (Path(what).is_file() or what.endswith((".yaml", ".yml")) or "/" in what):
        return [(Path(what), None)]
    from mmctl.fleet.inventory import load_fleet

    fleet = load_fleet(run.fleet)
    target = fleet.target(what)
    _refuse(obstacle(fleet, target))
    files = dict.fromkeys((own.config, own.env_file) for own in map(target.on, target.hosts))
    return list(files)


def _refuse(error: OperatorError | None) -> None:
    if error is not None:
        raise error


def _check_accounts(fleet: "Fleet") -> None:
    """Every target's config is of the account and environment the fleet says, and no two hosts quote one account."""
    faults = [error for target in fleet.targets.values() if target.at and (error := obstacle(fleet, target))]
    if faults:
        raise Refused("\n".join(dict.fromkeys(error.what for error in faults)), faults[0].hint)


def _load(file: Path, env_file: Path | None, run: Run, *, deep: bool = True) -> "Config":
    from engine.config.errors import ConfigErrors
    from engine.config.load import load

    try:
        return load(file, env_file=env_file, deep=deep)
    except ConfigErrors as errors:
        for error in errors.errors:
            run.out.event("config_error", **error.as_dict())
        count = len(errors.errors)
        hint = f"{count} error{'s' * (count != 1)}; mmctl config schema describes every key."
        raise ConfigRefused(str(errors), hint) from None


def _is_fleet(file: Path) -> bool:
    """A fleet file has targets at its top; a configuration never does."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    return any(line.startswith("targets:") for line in lines)


@app.command("check")
def check(what: What = None, env_file: EnvFile = None) -> None:
    """Report every error of a configuration (or a fleet file) with file:line and the nearest valid key."""
    run = current()
    for file, own_env in _files(what, run):
        if _is_fleet(file):
            from mmctl.fleet.inventory import load_fleet

            fleet = load_fleet(file)
            _check_accounts(fleet)
            run.out.result(ok=True, file=str(file), targets=sorted(fleet.targets))
            run.out.say(f"{file}: ok, targets {', '.join(fleet.targets)}")
            continue
        config = _load(file, env_file or own_env, run)
        run.out.result(ok=True, file=str(file), symbol=config.strategy.symbol, environment=config.environment)
        run.out.say(
            f"{file}: ok ({config.environment}, {config.exchange.name} {config.exchange.market}, "
            f"{config.strategy.name} on {config.strategy.symbol})"
        )


@app.command("show")
def show(what: What = None, env_file: EnvFile = None) -> None:
    """Print the effective configuration: defaults filled in, secrets masked."""
    from engine.config.show import dump, effective

    run = current()
    for file, own_env in _files(what, run):
        config = _load(file, env_file or own_env, run, deep=False)
        run.out.result(file=str(file), config=effective(config))
        run.out.say(dump(config).rstrip())


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from engine.config.show import json_schema

    run = current()
    if run.json:
        run.out.result(schema=json_schema())
    else:
        run.out.raw(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@app.command("diff")
def diff(
    old: Annotated[Path, typer.Argument(help="The configuration as it was.")],
    new: Annotated[Path, typer.Argument(help="The configuration as it would be.")],
    env_file: EnvFile = None,
) -> None:
    """Compare two configurations by meaning and say which changes reload and which need a restart."""
    from engine.config.diff import diff as compare

    run = current()
    if not old.is_file() and not new.is_file():
        raise UsageError(f"neither {old} nor {new} is a file")
    before, after = _load(old, env_file, run, deep=False), _load(new, env_file, run, deep=False)
    changes = compare(before, after)
    run.out.result(changes=[change.as_dict() for change in changes])
    if not changes:
        run.out.say("no difference")
        return
    for change in changes:
        run.out.say(str(change))
    restart = [change.path for change in changes if not change.reloadable]
    run.out.say(
        f"{len(changes)} changes; " + (f"a restart is needed for {', '.join(restart)}" if restart else "all reload")
    )
