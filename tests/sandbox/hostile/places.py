"""The names ccxt gives to Binance's REST endpoints, as far as the engine uses them: (method, path) of each."""

from typing import Final

SPOT: Final = "/api/v3"
USDM: Final = "/fapi/v1"

PLACES: Final[dict[str, tuple[str, str]]] = {
    "publicGetTime": ("GET", f"{SPOT}/time"),
    "publicGetExchangeInfo": ("GET", f"{SPOT}/exchangeInfo"),
    "publicGetDepth": ("GET", f"{SPOT}/depth"),
    "privateGetAccount": ("GET", f"{SPOT}/account"),
    "privateGetOpenOrders": ("GET", f"{SPOT}/openOrders"),
    "privateGetOrder": ("GET", f"{SPOT}/order"),
    "privateGetAllOrders": ("GET", f"{SPOT}/allOrders"),
    "privateDeleteOrder": ("DELETE", f"{SPOT}/order"),
    "privateDeleteOpenOrders": ("DELETE", f"{SPOT}/openOrders"),
    "privateGetMyTrades": ("GET", f"{SPOT}/myTrades"),
    "sapiGetAccountApiRestrictions": ("GET", "/sapi/v1/account/apiRestrictions"),
    "fapiPublicGetTime": ("GET", f"{USDM}/time"),
    "fapiPublicGetExchangeInfo": ("GET", f"{USDM}/exchangeInfo"),
    "fapiPublicGetDepth": ("GET", f"{USDM}/depth"),
    "fapiPrivateV2GetAccount": ("GET", "/fapi/v2/account"),
    "fapiPrivateGetCommissionRate": ("GET", f"{USDM}/commissionRate"),
    "fapiPrivateGetOpenOrders": ("GET", f"{USDM}/openOrders"),
    "fapiPrivateGetOrder": ("GET", f"{USDM}/order"),
    "fapiPrivateGetAllOrders": ("GET", f"{USDM}/allOrders"),
    "fapiPrivateGetPositionSideDual": ("GET", f"{USDM}/positionSide/dual"),
    "fapiPrivateGetMultiAssetsMargin": ("GET", f"{USDM}/multiAssetsMargin"),
    "fapiPrivateV2GetPositionRisk": ("GET", "/fapi/v2/positionRisk"),
    "sapiGetAccountInfo": ("GET", "/sapi/v1/account/info"),
    "fapiPrivateDeleteOrder": ("DELETE", f"{USDM}/order"),
    "fapiPrivateDeleteAllOpenOrders": ("DELETE", f"{USDM}/allOpenOrders"),
    "fapiPrivateGetUserTrades": ("GET", f"{USDM}/userTrades"),
    "fapiPrivatePostListenKey": ("POST", f"{USDM}/listenKey"),
    "fapiPrivatePutListenKey": ("PUT", f"{USDM}/listenKey"),
    "fapiPrivatePostLeverage": ("POST", f"{USDM}/leverage"),
    "fapiPrivatePostCountdownCancelAll": ("POST", f"{USDM}/countdownCancelAll"),
}
