"""The contract between the engine and a trading policy.

A policy is pure: what it decides depends on the events that it saw and on nothing else. It says what it would like;
whether that becomes an order is the engine's business (size, limits, emergency controls).
"""

from __future__ import annotations

from typing import Any, Final, final

from msgspec import Struct

from ztb.core.event import Quote, Trade

HOLD: Final = 0

INPUTS_MAX: Final = 16
INPUT_BITS_MAX: Final = 62
"""An input that keeps growing (an average that nobody divides, say) is found before it fills the journal."""
REASON_LENGTH_MAX: Final = 64
RIGHT_REASONS_MAX: Final = 256
_INPUT_MAX: Final = (1 << INPUT_BITS_MAX) - 1
_INPUT_MIN: Final = -_INPUT_MAX
_RIGHT_REASONS: Final[dict[str, bool]] = {}
"""Reasons that were found right; what is in it changes no answer."""


@final
class Decision(Struct, gc=False):
    """What a policy wants, why, and the numbers that it saw."""

    action: int
    """``BUY`` (1), ``SELL`` (-1) or ``HOLD`` (0)."""
    reason: str
    """A fixed code, for example ``crossing_up`` or ``no_crossing``; also when nothing is wanted."""
    inputs: tuple[int, ...]
    """The integers that decided, named by ``Policy.input_names``."""


def flaw_of(answer: object) -> str:
    """Why an answer is neither None nor a decision that can be acted upon and recorded; "" when it is one."""
    if type(answer) is not Decision:
        return "" if answer is None else f"a {type(answer).__name__}, which is no decision"
    action, reason, inputs = answer.action, answer.reason, answer.inputs
    if type(action) is not int or not -1 <= action <= 1:
        return "an action that is neither BUY, SELL nor HOLD"
    # A policy has few reasons and gives one for each trade: one that was found right once is not looked at again.
    if type(reason) is not str or (reason not in _RIGHT_REASONS and not _is_right(reason)):
        return f"a reason that is no text of up to {REASON_LENGTH_MAX} ASCII characters"
    if type(inputs) is not tuple or len(inputs) > INPUTS_MAX:
        return f"inputs that are no tuple of up to {INPUTS_MAX} integers"
    lowest, highest = _INPUT_MIN, _INPUT_MAX
    for value in inputs:
        if type(value) is not int or not lowest <= value <= highest:
            return "an input that is no integer, or one out of all proportion"
    return ""


def _is_right(reason: str) -> bool:
    if len(reason) > REASON_LENGTH_MAX or not reason.isascii():
        return False
    if len(_RIGHT_REASONS) < RIGHT_REASONS_MAX:
        _RIGHT_REASONS[reason] = True
    return True


def plain_text(error: BaseException) -> str:
    """Kind and text of somebody else's exception, short and printable, even when its own ``str`` fails."""
    try:
        text = str(error)
    except Exception:  # it is their code that runs here
        text = "its text cannot be had"
    return f"{type(error).__name__}: {text}".encode("ascii", "backslashreplace").decode("ascii")[:300]


class Policy:
    """Base of every policy. ``None`` means: not evaluated (inside a bar, say), so nothing to record."""

    name: str = ""
    input_names: tuple[str, ...] = ()

    def on_trade(self, trade: Trade, held_lots: int) -> Decision | None:
        """Called for each trade; ``held_lots`` is what this bot holds of the instrument (negative: short)."""
        return None

    def on_quote(self, quote: Quote, held_lots: int) -> Decision | None:
        """Called for each change of the best bid or ask."""
        return None

    def snapshot(self) -> dict[str, Any]:
        """The state as plain integers, strings, lists and dicts, for a checkpoint."""
        return {}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take the state of ``snapshot`` back."""
