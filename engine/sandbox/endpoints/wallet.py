"""The wallet endpoints (/sapi) a stock client asks for when it loads markets, and the API key's own permissions."""

from typing import Any

from engine.sandbox.decimals import e8_text
from engine.sandbox.endpoints import exchange_info
from engine.sandbox.errors import bad_key
from engine.sandbox.protocol.api import Call, Endpoint, Security, Table
from engine.trade import Market


def coins(call: Call) -> list[dict[str, Any]]:
    """capital/config/getall: every asset of the listed symbols, with no network to send it over."""
    specs = call.core.exchange.specs(Market.SPOT).values()
    assets = dict.fromkeys([*(s.base for s in specs), *(s.quote for s in specs), *call.account.spot])
    return [
        {
            "coin": asset,
            "depositAllEnable": True,
            "withdrawAllEnable": False,
            "name": asset,
            "free": e8_text(call.account.balance(asset).free),
            "locked": e8_text(call.account.balance(asset).locked),
            "freeze": "0",
            "withdrawing": "0",
            "ipoing": "0",
            "ipoable": "0",
            "storage": "0",
            "isLegalMoney": False,
            "trading": True,
            "networkList": [],
        }
        for asset in assets
    ]


def restrictions(call: Call) -> dict[str, Any]:
    """account/apiRestrictions of the key that asks."""
    if call.key is None:
        raise bad_key()
    permissions = call.key.settings
    return {
        "ipRestrict": False,
        "createTime": 1_698_645_219_000,
        "enableReading": True,
        "enableSpotAndMarginTrading": permissions.trade,
        "enableWithdrawals": permissions.withdraw,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": permissions.trade,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": True,
        "enablePortfolioMarginTrading": call.account.portfolio,
    }


def account_info(call: Call) -> dict[str, Any]:
    """What kind of account it is: futures, no margin, a portfolio account where it was made one."""
    return {
        "vipLevel": 0,
        "isMarginEnabled": False,
        "isFutureEnabled": True,
        "isOptionsEnabled": False,
        "isPortfolioMarginRetailEnabled": call.account.portfolio,
    }


def trade_fee(call: Call) -> list[dict[str, Any]]:
    """Maker and taker fee of spot's symbols, as fractions of the notional."""
    fees = call.core.fees
    return [
        {
            "symbol": symbol,
            "makerCommission": e8_text(fees.spot_maker_e8),
            "takerCommission": e8_text(fees.spot_taker_e8),
        }
        for symbol in call.core.exchange.specs(Market.SPOT)
        if call.params.get("symbol", symbol) == symbol
    ]


def system_status(call: Call) -> dict[str, Any]:
    """The exchange is always up: status 0."""
    return {"status": 0, "msg": "normal"}


def nothing(call: Call) -> list[Any]:
    """Margin pairs: this exchange has none."""
    return []


def table() -> Table:
    """The endpoints below ``/sapi``, with their weights and what they ask of a key."""
    signed, keyed = Security.SIGNED, Security.KEY
    return {
        ("GET", "/sapi/v1/system/status"): Endpoint(system_status, Market.SPOT),
        ("GET", "/sapi/v1/capital/config/getall"): Endpoint(coins, Market.SPOT, 10, signed),
        ("GET", "/sapi/v1/account/apiRestrictions"): Endpoint(restrictions, Market.SPOT, 1, signed),
        ("GET", "/sapi/v1/account/info"): Endpoint(account_info, Market.SPOT, 1, signed),
        ("GET", "/sapi/v1/asset/tradeFee"): Endpoint(trade_fee, Market.SPOT, 1, signed),
        ("GET", "/sapi/v1/margin/allPairs"): Endpoint(nothing, Market.SPOT, 1, keyed),
        ("GET", "/sapi/v1/margin/isolated/allPairs"): Endpoint(nothing, Market.SPOT, 10, signed),
        ("GET", "/dapi/v1/exchangeInfo"): Endpoint(exchange_info.coin_m, Market.USDM),
    }
