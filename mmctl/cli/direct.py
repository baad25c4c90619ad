"""The emergency verbs past the hosts: the sentinel's code on the operator's machine, straight at the exchange.

The target's configuration names the keys (``${NAME}``); their values come from the target's ``env_file`` or from the
operator's environment, and reach the process by its environment alone.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from mmctl.cli.run import Run
from mmctl.fleet.errors import CONFIG, ConfigRefused, DeadlineExceeded, Unproved
from mmctl.fleet.inventory import Target
from mmctl.fleet.login import operator
from mmctl.watch.proof import Proof, last_object, proof_of

#: Connecting, cancelling, seeing that nothing comes back, reading and closing the position, seconds.
SECONDS = 65.0
BY_HAND = "Check the account's open orders on the exchange itself, now."
POSITION_BY_HAND = "Look at the account's position on the exchange itself, now, and close what is left there."


def act(run: Run, target: Target, verb: str, reason: str, hosts: list[str]) -> tuple[Proof, Mapping[str, Any]]:
    """``verb`` for the account of ``target``; the proof and the sentinel's answer.

    ``halt`` cancels, and then raises ``Unproved`` all the same: that it stays stopped can only be said on a host.
    Raises ``ConfigRefused`` where the configuration or the keys are not here, ``Unproved`` for anything short of proof.
    """
    proof, answer = _ask(run, target, verb, reason)
    if verb == "halt":
        named = ", ".join(hosts)
        raise Unproved(
            f"halt is half done: {proof.text}, proved by the exchange; but {named} could not be told to stay stopped",
            f"When {named} can be reached again: mmctl halt, before an engine there quotes. "
            "Or delete its key on the exchange.",
        )
    return proof, answer


def command_of(target: Target) -> list[str]:
    """The sentinel on this machine, with the target's configuration and keys; what it shall do is yet to be added."""
    command = [sys.executable, "-m", "engine.sentinel", "--config", str(target.config)]
    if target.env_file is not None and target.env_file.is_file():
        command += ["--env-file", str(target.env_file)]
    return command


def _ask(run: Run, target: Target, verb: str, reason: str) -> tuple[Proof, Mapping[str, Any]]:
    command = command_of(target)
    command += ["--once", "cancel" if verb == "halt" else verb, "--direct", "--json"]
    command += [f"--reason={reason}", f"--actor={operator()}"]
    seconds = run.remaining(SECONDS)
    try:
        result = subprocess.run(
            [os.fsencode(word) if word.isascii() else word.encode() for word in command],  # whatever the locale is
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DeadlineExceeded(f"{verb} straight at the exchange did not end within {seconds:g} s", BY_HAND) from None
    said = result.stderr.strip()
    if result.returncode == CONFIG:
        raise ConfigRefused(
            f"{target.name} cannot be acted for from this machine:\n{said}",
            "The keys come from the target's env_file in the fleet file, or from this machine's environment.",
        )
    answer = last_object(result.stdout)
    if answer is None:
        last = (said or f"it ended with code {result.returncode}").splitlines()[-1]
        raise Unproved(f"{verb} straight at the exchange gave no answer: {last}", BY_HAND)
    proof = proof_of(answer, flat=verb == "flatten")
    if result.returncode != 0 or not proof.proved:
        hint = POSITION_BY_HAND if verb == "flatten" and proof.open_orders == 0 else BY_HAND
        raise Unproved(f"{verb} straight at the exchange is NOT proved: {proof.text}", hint)
    return proof, answer
