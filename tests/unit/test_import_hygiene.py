"""What the command line may load: nothing heavy before a verb needs it, and never the dashboard by accident."""

import ast
import json
import os
import subprocess
import sys

import pytest

from mmctl.cli.verbs import VERBS, render_help
from tests.needs import ROOT

HEAVY = ("numpy", "numba", "ccxt", "paramiko", "textual", "pandas", "sqlalchemy", "aiohttp", "prometheus_client")

PROBE = """
import json, sys
sys.argv = ["mmctl", *json.loads(sys.argv[1])]
from mmctl.__main__ import main
try:
    main()
except SystemExit as end:
    code = end.code
print(json.dumps({"code": code, "loaded": sorted(sys.modules)}), file=sys.stderr)
"""


def run_and_list(*args: str) -> tuple[int, set[str], str]:
    """Exit code, loaded modules and standard output of ``mmctl`` in a process of its own."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MMCTL", "COV"))}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(args)], capture_output=True, text=True, cwd=ROOT, env=clean, timeout=60
    )
    report = json.loads(done.stderr.strip().splitlines()[-1])
    return report["code"], set(report["loaded"]), done.stdout


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_answers_from_the_table_without_loading_a_verb_or_typer(flag: str) -> None:
    code, loaded, text = run_and_list(flag)
    assert code == 0
    assert text.strip() == render_help()
    assert not loaded & {*HEAVY, "typer", "rich", "yaml", "pydantic"}
    assert not {name for name in loaded if name.startswith("mmctl.") and name not in HELP_MODULES}


HELP_MODULES = {"mmctl.__main__", "mmctl.cli", "mmctl.cli.verbs"}


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_verbs_own_help_loads_nothing_heavy(verb: str) -> None:
    code, loaded, text = run_and_list(verb, "--help")
    assert code == 0, text
    assert "--json" in text or VERBS[verb].subverbs
    assert not loaded & set(HEAVY)


def test_every_verb_of_the_table_has_one_line_of_help_that_fits_a_terminal() -> None:
    lines = render_help().splitlines()
    assert all(len(line) <= 100 for line in lines)
    for name, verb in VERBS.items():
        assert any(line.split()[:1] == [name] and verb.help in line for line in lines)


ALLOWED = ("engine.config", "engine.catalogue", "engine.metric")


def test_the_operators_side_takes_only_configuration_and_catalogue_from_the_engine_at_module_level() -> None:
    strays = [
        f"{file.relative_to(ROOT)}:{node.lineno}: {name}"
        for file in sorted((ROOT / "mmctl").rglob("*.py"))
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        for name in _imported(node)
        if name.split(".")[0] == "engine" and not name.startswith(ALLOWED)
    ]
    assert strays == []


def _imported(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
