"""Binance's errors: one exception carrying code, message and HTTP status, and the answers the sandbox gives."""

from collections.abc import Mapping


class ApiError(Exception):
    """The exchange's refusal. ``status`` is the HTTP status; ``headers`` go out with it (Retry-After)."""

    def __init__(
        self,
        code: int,
        msg: str,
        *,
        status: int = 400,
        data: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code} {msg}")
        self.code, self.msg, self.status, self.data = code, msg, status, data
        self.headers = dict(headers or {})

    def body(self) -> dict[str, object]:
        """The JSON of the refusal: Binance's ``code`` and ``msg``, and ``data`` where there is any."""
        out: dict[str, object] = {"code": self.code, "msg": self.msg}
        if self.data is not None:
            out["data"] = self.data
        return out


class SandboxError(Exception):
    """The sandbox itself cannot start or go on; the message is for the person at the terminal."""


def unknown_execution() -> ApiError:
    """-1007: the answer that proves nothing."""
    return ApiError(
        -1007,
        "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
        status=504,
    )


def missing(name: str) -> ApiError:
    """-1102: a parameter that must be there is missing or empty."""
    return ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str, legal: str) -> ApiError:
    """-1100: a parameter is not in the range that the exchange names."""
    return ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def bad_symbol() -> ApiError:
    """-1121: the symbol is not listed."""
    return ApiError(-1121, "Invalid symbol.")


def filter_failure(name: str) -> ApiError:
    """-1013: the order fails the filter of that name."""
    return ApiError(-1013, f"Filter failure: {name}")


def order_rejected(msg: str) -> ApiError:
    """-2010: the order is refused, for the reason in ``msg``."""
    return ApiError(-2010, msg)


def unknown_order() -> ApiError:
    """-2011: there is no such order to cancel."""
    return ApiError(-2011, "Unknown order sent.")


def no_such_order() -> ApiError:
    """-2013: there is no such order to read."""
    return ApiError(-2013, "Order does not exist.")


def timestamp_ahead() -> ApiError:
    """-1021: the request's time is more than 1 s ahead of the exchange's."""
    return ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")


def timestamp_outside() -> ApiError:
    """-1021: the request is older than its ``recvWindow``."""
    return ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


def bad_signature() -> ApiError:
    """-1022: the signature does not fit the request."""
    return ApiError(-1022, "Signature for this request is not valid.")


def bad_key_format() -> ApiError:
    """-2014, HTTP 401: what was sent as a key is none."""
    return ApiError(-2014, "API-key format invalid.", status=401)


def bad_key() -> ApiError:
    """-2015, HTTP 401: the key is unknown, or may not do this."""
    return ApiError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)


def too_many_requests(retry_after_s: int, limit: int) -> ApiError:
    """-1003, HTTP 429; ``limit`` is weight per minute, ``retry_after_s`` seconds."""
    return ApiError(
        -1003,
        f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API.",
        status=429,
        headers={"Retry-After": str(retry_after_s)},
    )


def banned(until_ms: int, retry_after_s: int) -> ApiError:
    """-1003, HTTP 418: the address is banned until ``until_ms`` (ms since 1970), for ``retry_after_s`` seconds."""
    return ApiError(
        -1003,
        f"Way too much request weight used; IP banned until {until_ms}. "
        "Please use WebSocket Streams for live updates to avoid bans.",
        status=418,
        headers={"Retry-After": str(retry_after_s)},
    )


def too_many_orders(limit: int, interval: str, retry_after_s: int) -> ApiError:
    """-1015, HTTP 429; ``limit`` orders per ``interval``, retry after ``retry_after_s`` seconds."""
    return ApiError(
        -1015,
        f"Too many new orders; current limit is {limit} orders per {interval}.",
        status=429,
        headers={"Retry-After": str(retry_after_s)},
    )
