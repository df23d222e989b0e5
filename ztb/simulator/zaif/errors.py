"""The texts with which Zaif refuses, spelled as it spells them."""

from __future__ import annotations

from typing import Final

NO_SUCH_KEY: Final = "no data found for the key"
SIGNATURE: Final = "signature mismatch"
NONCE_NOT_INCREMENTED: Final = "nonce not incremented"
NONCE_OUT_OF_RANGE: Final = "nonce out of range"
RATE: Final = "time wait restriction, please try later."
BUSY: Final = "trade temporarily unavailable."
METHOD: Final = "method not found"
FUNDS: Final = "insufficient funds"
COMMENT: Final = "illegal comment"
ORDER_NOT_FOUND: Final = "order not found"
ORDER_TOO_NEW: Final = "order is too new"
LIMIT_TOO_LOW: Final = "limit must be greater than the price"
LIMIT_TOO_HIGH: Final = "limit must be a smaller value than the price"

PUBLIC_PAIR: Final = "unsupported currency_pair"
PUBLIC_METHOD: Final = "unsupported method"


class Refusal(Exception):
    """Zaif says no, with this text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def invalid(parameter: str) -> Refusal:
    """A parameter is missing or makes no sense."""
    return Refusal(f"invalid {parameter} parameter")


def no_permission(right: str) -> Refusal:
    """The key lacks a right. The apostrophe is the typographic one, as on the wire."""
    return Refusal(f"api key don\N{RIGHT SINGLE QUOTATION MARK}t have {right} permission")


def not_found_page() -> bytes:
    """What nginx says about a path that does not exist."""
    return _page("404 Not Found")


def bad_gateway_page() -> bytes:
    """What the load balancer says when the exchange behind it does not answer."""
    return _page("502 Bad Gateway")


def refused_page(status: int) -> bytes:
    """For clients that ask too often."""
    return _page({403: "403 Forbidden", 429: "429 Too Many Requests"}.get(status, f"{status} Refused"))


def _page(title: str) -> bytes:
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        f"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    ).encode()
