"""``python -m engine.store init-sql|migrate|copy|restore|query|ask``: the journal from a shell, for scripts and all."""

import argparse
import json
import sys
from pathlib import Path

from engine.store.backend import StoreError


def _url(arguments: argparse.Namespace) -> str:
    """The journal's URL from the configuration, so that no password stands in a command line."""
    from engine.config.errors import ConfigErrors
    from engine.config.load import load

    try:
        return load(arguments.config, env_file=arguments.env_file).journal_url().reveal()
    except ConfigErrors as errors:
        raise StoreError(str(errors)) from None


def _query(arguments: argparse.Namespace) -> None:
    from engine.store.read import query

    answer = query(_url(arguments), arguments.sql, limit=arguments.limit)
    for row in answer.rows:
        print(json.dumps(dict(zip(answer.columns, row, strict=True)), default=str))


def _ask(arguments: argparse.Namespace) -> None:
    """Reads ``{"questions", "limits", "seconds"}`` from stdin; prints the answers as base64 of compressed JSON."""
    import base64
    import zlib

    from engine.store.read import ask

    try:
        asked = json.load(sys.stdin)
        questions, limits, seconds = dict(asked["questions"]), dict(asked["limits"]), float(asked["seconds"])
    except (KeyError, TypeError, ValueError):
        raise StoreError("standard input holds no questions") from None
    found = ask(_url(arguments), questions, limits, deadline_s=seconds)
    packed = zlib.compress(json.dumps(found, default=str).encode(), 6)
    sys.stdout.write(base64.b64encode(packed).decode())


def _run(arguments: argparse.Namespace) -> None:
    match arguments.verb:
        case "init-sql":
            from engine.store.init_sql import init_sql

            sys.stdout.write(init_sql())
        case "migrate":
            from engine.store.migrate import upgrade

            upgrade(_url(arguments))
        case "copy":
            from engine.store.read import check_copy, copy_journal

            copy_journal(_url(arguments), arguments.file)
            print(json.dumps(check_copy(arguments.file)))
        case "restore":
            from engine.store.read import restore_journal

            print(json.dumps(restore_journal(arguments.file, _url(arguments))))
        case "ask":
            _ask(arguments)
        case _:
            _query(arguments)


def main(argv: list[str] | None = None) -> int:
    """Run one verb; returns the exit code, 1 where the store refused it (the reason is on stderr)."""
    parser = argparse.ArgumentParser(prog="python -m engine.store", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("init-sql", help="print the schema for PostgreSQL")
    for verb, text in (
        ("migrate", "bring the schema to this release's"),
        ("copy", "write a consistent copy to FILE"),
        ("restore", "bring the rows of a copy in"),
        ("query", "one read-only SELECT, a JSON object a row"),
        ("ask", "many of them as of one moment, from standard input"),
    ):
        one = verbs.add_parser(verb, help=text)
        one.add_argument("--config", required=True, type=Path)
        one.add_argument("--env-file", type=Path)
        if verb in ("copy", "restore"):
            one.add_argument("file", type=Path)
        if verb == "query":
            one.add_argument("sql")
            one.add_argument("--limit", type=int, default=1000)
    arguments = parser.parse_args(argv)
    try:
        _run(arguments)
    except StoreError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
