"""Every gateway answers all that the live engine asks of one; what a new one lacks is named here, part by part."""

import ast
import inspect
import textwrap
from typing import Protocol

import pytest

from engine.venue.binance.gateway import BinanceGateway
from engine.venue.ccxt.gateway import CcxtGateway
from engine.venue.live_gateway import LiveGateway
from engine.venue.paper.gateway import PaperGateway

# A new gateway is added here. Its types are held where ``open_gateway`` returns it.
GATEWAYS: tuple[type[LiveGateway], ...] = (BinanceGateway, PaperGateway, CcxtGateway)


def parts(protocol: type) -> set[str]:
    """What a protocol and those it extends ask for: methods, properties and attributes."""
    asking = [base for base in protocol.__mro__ if getattr(base, "_is_protocol", False) and base is not Protocol]
    named = {name for base in asking for name in (*vars(base), *inspect.get_annotations(base))}
    return {name for name in named if not name.startswith("_")}


def has(gateway: type) -> set[str]:
    """What a class offers: defined in it or in a base of its own, or set on ``self`` there."""
    found = set(dir(gateway))
    for base in gateway.__mro__[:-1]:
        if not getattr(base, "_is_protocol", False):
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
            stored = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
            found |= {node.attr for node in stored if isinstance(node.ctx, ast.Store)}
    return found


def lacking(gateway: type) -> list[str]:
    """The parts of ``LiveGateway`` that a class does not have."""
    return sorted(parts(LiveGateway) - has(gateway))


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_a_gateway_has_every_part(gateway: type) -> None:
    assert lacking(gateway) == []


class Begun:
    """A gateway with the first of its parts."""

    def __init__(self) -> None:
        self.throttle = None

    async def close(self) -> None:
        """Nothing is open."""


def test_what_a_new_gateway_lacks_is_named() -> None:
    named = lacking(Begun)
    assert {"market", "dead_man", "open_orders", "fills_since", "account", "market_stream", "scopes"} <= set(named)
    assert not {"throttle", "close"} & set(named)
