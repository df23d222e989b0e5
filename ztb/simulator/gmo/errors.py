"""The codes and texts with which GMO Coin refuses. Clients decide on the code; most texts are not confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

BUSINESS: Final = 1
NOT_FOUND: Final = 2
MAINTENANCE: Final = 5

TEXTS: Final[Mapping[str, str]] = {
    "ERR-70": "The side of the close order is the side of the position.",
    "ERR-189": "The size of the close order exceeds the size of the position.",
    "ERR-200": "There are existing active orders and the order exceeds the size that can be ordered.",
    "ERR-201": "Trading margin is insufficient.",
    "ERR-208": "The size exceeds the available balance.",
    "ERR-254": "Specified position is not found.",
    "ERR-422": "There is no position that can be settled.",
    "ERR-554": "The server is unavailable.",
    "ERR-626": "The server is busy. Please retry later.",
    "ERR-635": "The number of active orders has reached the limit.",
    "ERR-5003": "Requests are too many.",
    "ERR-5007": "API-TIMESTAMP is missing or no number.",
    "ERR-5008": "The timestamp is later than the server time.",
    "ERR-5009": "The timestamp is earlier than the server time.",
    "ERR-5010": "The signature is invalid.",
    "ERR-5011": "API-KEY is missing.",
    "ERR-5012": "The API authentication is invalid.",
    "ERR-5106": "Invalid request parameter.",
    "ERR-5111": "Invalid timeInForce.",
    "ERR-5114": "The number of decimal places is too large.",
    "ERR-5118": "The loss cut price cannot be set.",
    "ERR-5121": "The order price is too far from the market.",
    "ERR-5122": "The request is invalid due to the status of the specified order.",
    "ERR-5123": "The specified order does not exist.",
    "ERR-5126": "The size is out of the allowed range.",
    "ERR-5201": "MAINTENANCE. Please wait for a while",
    "ERR-5203": "PREOPEN. Only cancels are accepted.",
    "ERR-5204": "The request path is invalid.",
    "ERR-5206": "The limit of changes of this order is exceeded.",
    "ERR-5207": "Not found",
    "ERR-5208": "orderId and executionId cannot be specified together.",
}


class Refusal(Exception):
    """GMO Coin says no: a code of ``TEXTS``, the ``status`` of its envelope and the HTTP status."""

    def __init__(self, code: str, *, status: int = BUSINESS, http: int = 200) -> None:
        super().__init__(code)
        self.code = code
        self.text = TEXTS[code]
        self.status = status
        self.http = http


def parameter() -> Refusal:
    """A parameter is missing or makes no sense."""
    return Refusal("ERR-5106")


def not_found(code: str = "ERR-5207") -> Refusal:
    """A path, a public symbol, an interval or a date that does not exist."""
    return Refusal(code, status=NOT_FOUND, http=404)


def maintenance() -> Refusal:
    """Closed; the bodies say so under HTTP 200."""
    return Refusal("ERR-5201", status=MAINTENANCE)
