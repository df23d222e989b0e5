"""The ways in which Coinbase refuses: HTTP statuses with their bodies, and reasons inside an answer with status 200.

Two envelopes exist: ``{"error", "error_details", "message"}`` of the API itself and ``{"errors": [{"id", "message"}]}``
of the gateway in front of it.
"""

from __future__ import annotations

from typing import Any, Final

UNKNOWN_FAILURE: Final = "UNKNOWN_FAILURE_REASON"
UNKNOWN_CANCEL_FAILURE: Final = "UNKNOWN_CANCEL_FAILURE_REASON"
NO_ACCOUNT: Final = "account is not available"
ORDER_NOT_FOUND: Final = "order with this orderID was not found"
STREAM_AUTHENTICATION: Final = "authentication failure"
STREAM_RATE: Final = "rate limit exceeded"

_RATE: Final = {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}
BAD_GATEWAY_PAGE: Final = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
)
MAINTENANCE_PAGE: Final = BAD_GATEWAY_PAGE.replace(b"502 Bad Gateway", b"503 Service Temporarily Unavailable")

ORDER_TEXTS: Final = {
    "INSUFFICIENT_FUND": "Insufficient balance in source account",
    "INVALID_LIMIT_PRICE_POST_ONLY": "Limit price would cross the book and post-only order would take liquidity",
    "INVALID_SIZE_PRECISION": "Size has too many decimals",
    "INVALID_PRICE_PRECISION": "Limit price has too many decimals",
    "ORDER_ENTRY_DISABLED": "Orders are not accepted at present",
    "UNSUPPORTED_ORDER_CONFIGURATION": "Order configuration is not supported for this product",
    "INVALID_PRODUCT_ID": "Invalid product_id",
    "INVALID_SIDE": "Invalid side",
    "INVALID_NO_LIQUIDITY": "No liquidity in the book",
}
_PREVIEWS: Final = {
    "INSUFFICIENT_FUND": "PREVIEW_INSUFFICIENT_FUND",
    "INVALID_LIMIT_PRICE_POST_ONLY": "PREVIEW_INVALID_LIMIT_PRICE_POSTONLY",
    "INVALID_SIZE_PRECISION": "PREVIEW_INVALID_SIZE_PRECISION",
    "INVALID_PRICE_PRECISION": "PREVIEW_INVALID_PRICE_PRECISION",
}


class Refusal(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, body: dict[str, Any], *, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.body = body
        self.text = text


class OrderRefusal(Exception):
    """``success: false`` in an answer with status 200."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    @property
    def preview_reason(self) -> str:
        """What ``preview_failure_reason`` says."""
        return self.reason if self.reason.startswith("PREVIEW_") else _PREVIEWS.get(self.reason, UNKNOWN_FAILURE)

    def envelope(self, configuration: object) -> dict[str, Any]:
        """The whole answer to the order."""
        preview = self.preview_reason
        return {
            "success": False,
            "failure_reason": UNKNOWN_FAILURE,
            "order_id": "",
            "error_response": {
                "error": self.reason,
                "message": ORDER_TEXTS.get(self.reason, self.reason),
                "error_details": "",
                "preview_failure_reason": preview,
                "new_order_failure_reason": self.reason if preview == UNKNOWN_FAILURE else UNKNOWN_FAILURE,
            },
            "order_configuration": configuration,
        }


def unauthorized() -> Refusal:
    """The token is missing, wrong, too old or from the future: one answer for all."""
    return _refusal(401, "unauthorized", "", "Unauthorized")


def no_permission() -> Refusal:
    return _refusal(403, "PERMISSION_DENIED", "Missing required scopes", "Missing required scopes")


def not_found(text: str) -> Refusal:
    return _refusal(404, "NOT_FOUND", text, text)


def invalid(text: str) -> Refusal:
    """A parameter is missing or makes no sense."""
    return _refusal(400, "INVALID_ARGUMENT", text, text)


def too_many() -> Refusal:
    return Refusal(429, _RATE, text="rate_limit_exceeded")


def _refusal(status: int, error: str, details: str, message: str) -> Refusal:
    body = {"error": error, "error_details": details, "message": message}
    return Refusal(status, body, text=details or message)
