"""The exit codes an operator is told of are those that there are."""

import re

from mmctl.fleet import errors
from mmctl.remote import beside
from tests.needs import ROOT


def told() -> dict[str, tuple[str, str]]:
    """Code to its meaning and what to do, as the deployment guide has them."""
    text = (ROOT / "docs/deployment/DEPLOYMENT.md").read_text().partition("## Exit codes")[2]
    rows = re.findall(r"^\| (\d+|128\+N) \| (.+?) \| (.+?) \|$", text, re.M)
    return {code: (means, step) for code, means, step in rows}


def test_every_exit_code_is_named_with_what_to_do() -> None:
    known = {str(value) for name, value in vars(errors).items() if name.isupper() and isinstance(value, int)}
    assert set(told()) == known | {"70", "128+N"}
    assert all(means and step for means, step in told().values())


def test_the_codes_after_which_systemd_leaves_the_engine_alone_are_named() -> None:
    text = (ROOT / "docs/deployment/DEPLOYMENT.md").read_text().partition("## Exit codes")[2]
    unit = (ROOT / "systemd" / beside.ENGINE).read_text()
    prevented = next(line for line in unit.splitlines() if line.startswith("RestartPreventExitStatus="))
    codes = sorted(map(int, prevented.partition("=")[2].split()))
    assert f"{', '.join(map(str, codes[:-1]))} or {codes[-1]}" in " ".join(text.split())
