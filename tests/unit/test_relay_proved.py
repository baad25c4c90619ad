"""That the relay runs is proved by its own word alone: what another program answers on its port is none."""

import json
from typing import Any

import pytest

from mmctl.fleet.errors import Unproved
from mmctl.fleet.transport import Result
from mmctl.monitoring import push
from mmctl.monitoring.relay.files import CHANNELS

FILES = {CHANNELS: json.dumps({"channels": {"robot": {"kind": "dingtalk"}}})}


class Silent:
    """A host on which every command succeeds and says nothing."""

    name = "watcher"

    def run(self, script: str, deadline: float, stdin: Any = b"") -> Result:
        return Result(0, "", "")


@pytest.mark.parametrize("answer", ["It works!", [], {}, {"channels": ["another"]}, None])
def test_what_is_no_relay_with_these_channels_is_not_proved(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    monkeypatch.setattr(push, "ask", lambda *asked: answer)
    monkeypatch.setattr(push, "RELAY_SECONDS", 0.0)
    host: Any = Silent()
    with pytest.raises(Unproved, match="last words: none"):
        push._relay_proved(host, FILES)


def test_a_relay_that_names_them_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "ask", lambda *asked: {"channels": ["robot"]})
    host: Any = Silent()
    push._relay_proved(host, FILES)
