"""USD-M futures' JSON: what REST answers and the user stream say about orders, positions and the wallet."""

from typing import Any

from engine.sandbox.decimals import e8_text
from engine.sandbox.market.symbols import SymbolSpec
from engine.sandbox.matching.ledger import ClientAccount, FuturesPosition, free_margin
from engine.sandbox.matching.orders import ExchangeOrder, Fill

Json = dict[str, Any]


def order(o: ExchangeOrder) -> Json:
    """One order, as placed, queried, cancelled and listed."""
    spec = o.spec
    return {
        "orderId": o.order_id,
        "symbol": spec.symbol,
        "status": o.status,
        "clientOrderId": o.client_id,
        "price": spec.price_text(o.ticks),
        "avgPrice": e8_text(o.average_e8, 5),
        "origQty": spec.quantity_text(o.lots),
        "executedQty": spec.quantity_text(o.filled),
        "cumQuote": e8_text(o.quote_e8),
        "timeInForce": o.tif,
        "type": o.type,
        "reduceOnly": o.reduce_only,
        "closePosition": False,
        "side": o.side_text,
        "positionSide": "BOTH",
        "stopPrice": "0.00",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": o.type,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "NONE",
        "goodTillDate": 0,
        "time": o.time_ms,
        "updateTime": o.update_ms,
    }


def user_trade(o: ExchangeOrder, fill: Fill) -> Json:
    """One row of userTrades, with the profit that it realised."""
    spec = o.spec
    return {
        "symbol": spec.symbol,
        "id": fill.trade_id,
        "orderId": o.order_id,
        "side": o.side_text,
        "price": spec.price_text(fill.ticks),
        "qty": spec.quantity_text(fill.lots),
        "realizedPnl": e8_text(fill.realized_e8),
        "quoteQty": e8_text(spec.notional_e8(fill.ticks, fill.lots)),
        "commission": e8_text(fill.commission_e8),
        "commissionAsset": fill.asset,
        "time": fill.time_ms,
        "positionSide": "BOTH",
        "maker": fill.maker,
        "buyer": o.side > 0,
    }


def order_update(o: ExchangeOrder, kind: str, now_ms: int, fill: Fill | None = None) -> Json:
    """One ORDER_TRADE_UPDATE; ``kind`` is NEW, TRADE, CANCELED, AMENDMENT or EXPIRED."""
    spec = o.spec
    open_notional = spec.notional_e8(o.ticks, o.left) if o.is_live else 0
    inner: Json = {
        "s": spec.symbol,
        "c": o.client_id,
        "S": o.side_text,
        "o": o.type,
        "f": o.tif,
        "q": spec.quantity_text(o.lots),
        "p": spec.price_text(o.ticks),
        "ap": e8_text(o.average_e8, 5),
        "sp": "0",
        "x": kind,
        "X": o.status,
        "i": o.order_id,
        "l": spec.quantity_text(fill.lots if fill else 0),
        "z": spec.quantity_text(o.filled),
        "L": spec.price_text(fill.ticks if fill else 0),
        "N": fill.asset if fill else spec.quote,
        "n": e8_text(fill.commission_e8) if fill else "0",
        "T": o.update_ms,
        "t": fill.trade_id if fill else 0,
        "b": e8_text(open_notional if o.side > 0 else 0),
        "a": e8_text(open_notional if o.side < 0 else 0),
        "m": bool(fill and fill.maker),
        "R": o.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": o.type,
        "ps": "BOTH",
        "cp": False,
        "AP": "0",
        "cr": "0",
        "pP": False,
        "si": 0,
        "ss": 0,
        "rp": e8_text(fill.realized_e8 if fill else 0),
        "V": "NONE",
    }
    return {"e": "ORDER_TRADE_UPDATE", "T": o.update_ms, "E": now_ms, "o": inner}


def trade_lite(o: ExchangeOrder, fill: Fill, now_ms: int) -> Json:
    """The TRADE_LITE event of a fill."""
    spec = o.spec
    return {
        "e": "TRADE_LITE",
        "E": now_ms,
        "T": fill.time_ms,
        "s": spec.symbol,
        "c": o.client_id,
        "S": o.side_text,
        "q": spec.quantity_text(o.lots),
        "p": spec.price_text(o.ticks),
        "i": o.order_id,
        "l": spec.quantity_text(fill.lots),
        "L": spec.price_text(fill.ticks),
        "t": fill.trade_id,
        "m": fill.maker,
    }


def account_update(owner: ClientAccount, spec: SymbolSpec, mark_e8: int, now_ms: int, reason: str = "ORDER") -> Json:
    """The ACCOUNT_UPDATE event after a fill: wallet and position, with the profit still open at ``mark_e8``."""
    position = owner.position(spec.symbol)
    wallet = e8_text(owner.wallet.get(spec.quote, 0))
    return {
        "e": "ACCOUNT_UPDATE",
        "T": now_ms,
        "E": now_ms,
        "a": {
            "m": reason,
            "B": [{"a": spec.quote, "wb": wallet, "cw": wallet, "bc": "0"}],
            "P": [
                {
                    "s": spec.symbol,
                    "pa": e8_text(position.lots * spec.lot_e8, spec.quantity_decimals),
                    "ep": e8_text(position.entry_e8(spec)),
                    "bep": e8_text(position.entry_e8(spec)),
                    "cr": e8_text(position.realized_e8),
                    "up": e8_text(position.unrealized_e8(spec, mark_e8)),
                    "mt": "cross",
                    "iw": "0",
                    "ps": "BOTH",
                }
            ],
        },
    }


def funding_update(owner: ClientAccount, spec: SymbolSpec, now_ms: int) -> Json:
    """The ACCOUNT_UPDATE of a funding payment: for a crossed position only the balance is told."""
    wallet = e8_text(owner.wallet.get(spec.quote, 0))
    change = e8_text(owner.funding[-1].amount_e8)
    inner = {"m": "FUNDING_FEE", "B": [{"a": spec.quote, "wb": wallet, "cw": wallet, "bc": change}], "P": []}
    return {"e": "ACCOUNT_UPDATE", "T": now_ms, "E": now_ms, "a": inner}


def transfer_update(owner: ClientAccount, asset: str, amount_e8: int, now_ms: int) -> Json:
    """The ACCOUNT_UPDATE of a deposit, or of a withdrawal."""
    wallet, reason = e8_text(owner.wallet.get(asset, 0)), "DEPOSIT" if amount_e8 > 0 else "WITHDRAW"
    inner = {"m": reason, "B": [{"a": asset, "wb": wallet, "cw": wallet, "bc": e8_text(amount_e8)}], "P": []}
    return {"e": "ACCOUNT_UPDATE", "T": now_ms, "E": now_ms, "a": inner}


def income_row(symbol: str, kind: str, amount_e8: int, asset: str, time_ms: int, number: int) -> Json:
    """One row of /income."""
    return {
        "symbol": symbol,
        "incomeType": kind,
        "income": e8_text(amount_e8),
        "asset": asset,
        "time": time_ms,
        "tranId": number,
        "tradeId": "" if kind == "FUNDING_FEE" else str(number),
        "info": "",
    }


def position_risk(
    owner: ClientAccount, spec: SymbolSpec, position: FuturesPosition, mark_e8: int, now_ms: int, v3: bool
) -> Json:
    """One row of positionRisk, version 2 or 3."""
    leverage = owner.leverage.get(spec.symbol, 20)
    notional = position.lots * spec.lot_e8 * mark_e8 // 100_000_000
    out: Json = {
        "symbol": spec.symbol,
        "positionSide": "BOTH",
        "positionAmt": e8_text(position.lots * spec.lot_e8, spec.quantity_decimals),
        "entryPrice": e8_text(position.entry_e8(spec)),
        "breakEvenPrice": e8_text(position.entry_e8(spec)),
        "markPrice": e8_text(mark_e8),
        "unRealizedProfit": e8_text(position.unrealized_e8(spec, mark_e8)),
        "liquidationPrice": "0",
        "isolatedMargin": e8_text(0),
        "notional": e8_text(notional),
        "isolatedWallet": "0",
        "updateTime": position.update_ms or now_ms,
    }
    if v3:
        margin = e8_text(abs(notional) // leverage)
        return out | {
            "marginAsset": spec.quote,
            "initialMargin": margin,
            "maintMargin": e8_text(abs(notional) // 200),
            "positionInitialMargin": margin,
            "openOrderInitialMargin": "0",
            "adl": 1,
            "bidNotional": "0",
            "askNotional": "0",
        }
    return out | {
        "leverage": str(leverage),
        "maxNotionalValue": "250000000",
        "marginType": "isolated" if spec.symbol in owner.isolated else "cross",
        "isAutoAddMargin": "false",
    }


def balances(owner: ClientAccount, profits: dict[str, int], now_ms: int) -> list[Json]:
    """The answer of /balance; ``profits`` is unrealised profit per margin asset, 1e-8."""
    return [
        {
            "accountAlias": "SgsR",
            "asset": asset,
            "balance": e8_text(wallet),
            "crossWalletBalance": e8_text(wallet),
            "crossUnPnl": e8_text(profits.get(asset, 0)),
            "availableBalance": e8_text(max(0, free_margin(owner, asset) + profits.get(asset, 0))),
            "maxWithdrawAmount": e8_text(max(0, free_margin(owner, asset))),
            "marginAvailable": True,
            "updateTime": owner.updated_ms or now_ms,
        }
        for asset, wallet in owner.wallet.items()
    ]


def account(owner: ClientAccount, specs: list[SymbolSpec], marks: dict[str, int], now_ms: int) -> Json:
    """The answer of /account; ``marks`` is mark price per symbol, 1e-8."""
    profits: dict[str, int] = {}
    margins: dict[str, int] = {}
    rows: list[Json] = []
    for spec in specs:
        position, mark = owner.position(spec.symbol), marks[spec.symbol]
        profit = position.unrealized_e8(spec, mark)
        leverage = owner.leverage.get(spec.symbol, 20)
        margin = abs(position.lots) * spec.lot_e8 * mark // 100_000_000 // leverage
        profits[spec.quote] = profits.get(spec.quote, 0) + profit
        margins[spec.quote] = margins.get(spec.quote, 0) + margin
        rows.append(_account_position(spec, position, profit, margin, leverage, spec.symbol in owner.isolated))
    assets = [_account_asset(owner, asset, profits, margins, now_ms) for asset in owner.wallet]
    wallet, profit, margin = sum(owner.wallet.values()), sum(profits.values()), sum(margins.values())
    free = e8_text(sum(max(0, free_margin(owner, a)) for a in owner.wallet) + profit)
    return {
        "feeTier": 0,
        "canTrade": owner.can_trade,
        "canDeposit": True,
        "canWithdraw": owner.can_withdraw,
        "updateTime": 0,
        "multiAssetsMargin": owner.multi_assets,
        "tradeGroupId": -1,
        "totalInitialMargin": e8_text(margin),
        "totalMaintMargin": e8_text(margin // 10),
        "totalWalletBalance": e8_text(wallet),
        "totalUnrealizedProfit": e8_text(profit),
        "totalMarginBalance": e8_text(wallet + profit),
        "totalPositionInitialMargin": e8_text(margin),
        "totalOpenOrderInitialMargin": e8_text(0),
        "totalCrossWalletBalance": e8_text(wallet),
        "totalCrossUnPnl": e8_text(profit),
        "availableBalance": free,
        "maxWithdrawAmount": free,
        "assets": assets,
        "positions": rows,
    }


def _account_asset(
    owner: ClientAccount, asset: str, profits: dict[str, int], margins: dict[str, int], now_ms: int
) -> Json:
    wallet, profit, margin = owner.wallet[asset], profits.get(asset, 0), margins.get(asset, 0)
    free = e8_text(max(0, free_margin(owner, asset) + profit))
    return {
        "asset": asset,
        "walletBalance": e8_text(wallet),
        "unrealizedProfit": e8_text(profit),
        "marginBalance": e8_text(wallet + profit),
        "maintMargin": e8_text(margin // 10),
        "initialMargin": e8_text(margin),
        "positionInitialMargin": e8_text(margin),
        "openOrderInitialMargin": e8_text(0),
        "crossWalletBalance": e8_text(wallet),
        "crossUnPnl": e8_text(profit),
        "availableBalance": free,
        "maxWithdrawAmount": free,
        "marginAvailable": True,
        "updateTime": owner.updated_ms or now_ms,
    }


def _account_position(
    spec: SymbolSpec, position: FuturesPosition, profit: int, margin: int, leverage: int, isolated: bool
) -> Json:
    return {
        "symbol": spec.symbol,
        "initialMargin": e8_text(margin),
        "maintMargin": e8_text(margin // 10),
        "unrealizedProfit": e8_text(profit),
        "positionInitialMargin": e8_text(margin),
        "openOrderInitialMargin": "0",
        "leverage": str(leverage),
        "isolated": isolated,
        "entryPrice": e8_text(position.entry_e8(spec)),
        "maxNotional": "250000000",
        "bidNotional": "0",
        "askNotional": "0",
        "positionSide": "BOTH",
        "positionAmt": e8_text(position.lots * spec.lot_e8, spec.quantity_decimals),
        "updateTime": position.update_ms,
    }
