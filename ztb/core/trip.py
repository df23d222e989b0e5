"""From a trip to what follows: the table in ``reaction`` applied to the controls, on record and told to people.

A trip whose reaction is still in force is not counted again: a price that stays beyond its limit is one trip, not one
for every trade. Trips of the last hour are counted in the state, so a restart does not forget them.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from ztb.core.command import Cleared, Command, Notify, Tripped
from ztb.core.control import EVERYTHING
from ztb.core.reaction import COOL_DOWN, REACTIONS, TOO_MANY_TRIPS, VALIDATION, Cancels, Reaction, ReduceOnly, Scope
from ztb.core.state import State
from ztb.core.upkeep import cancel, cancel_all, is_flattening

HOUR_NS: Final = 3_600_000_000_000
TRIPS_PER_HOUR_MAX: Final = 10
BREAKER: Final = "breaker"
UNCOUNTED: Final = frozenset({TOO_MANY_TRIPS, COOL_DOWN})
"""No fault of anything: they do not add up to too many trips."""


def trip(state: State, code: str, now_ns: int, *, instrument: str = EVERYTHING, text: str = "") -> list[Command]:
    """React to ``code`` by its row; [] while the reaction to an earlier one still holds."""
    reaction = REACTIONS[code]
    target = instrument if reaction.scope is Scope.INSTRUMENT else EVERYTHING
    if is_in_force(state, reaction, target, now_ns):
        return []
    until_ns = now_ns + reaction.pause_ns if reaction.pause_ns else 0
    record = Tripped(now_ns, code, instrument, until_ns, text or reaction.words)
    commands: list[Command] = [record]
    apply_trip(state, record)
    if reaction.kill:
        commands.append(Notify(now_ns, "emergency", "killed", f"{code} (by {BREAKER})"))
    else:
        where = f"{instrument}: " if instrument else ""
        commands.append(Notify(now_ns, reaction.severity, code, f"{where}{record.text}; {reaction.action()}"))
    commands += _cancels(state, reaction, target, now_ns)
    if code not in UNCOUNTED and trips_last_hour(state, now_ns) > TRIPS_PER_HOUR_MAX:
        commands += trip(state, TOO_MANY_TRIPS, now_ns)
    return commands


def apply_trip(state: State, record: Tripped) -> None:
    """What a trip changes in the state: by the engine that sees it, and by a recovery that finds its record."""
    reaction = REACTIONS[record.code]
    control = state.control
    target = record.instrument if reaction.scope is Scope.INSTRUMENT else EVERYTHING
    if record.code not in UNCOUNTED:
        state.trips.append((record.ts_ns, record.code, record.instrument))
        forget_old_trips(state.trips, record.ts_ns)
    if reaction.kill:
        control.kill(source=BREAKER, reason=record.code, now_ns=record.ts_ns)
    if reaction.reduce_only is not ReduceOnly.NO:
        control.reduce(record.code, clears_itself=reaction.reduce_only is ReduceOnly.WHILE)
    if record.until_ns:
        control.pause(record.until_ns, record.code, target)
        state.reacting_until_ns[record.code, target] = record.until_ns


def forget_reactions(state: State, instrument: str = EVERYTHING) -> None:
    """An operator has lifted the pauses of ``instrument`` (EVERYTHING: all): what trips again is a new trip."""
    for key in list(state.reacting_until_ns):
        if instrument in (EVERYTHING, key[1]):
            del state.reacting_until_ns[key]


def is_in_force(state: State, reaction: Reaction, target: str, now_ns: int) -> bool:
    """Whether an earlier trip of the same kind still does all that this one would do."""
    control = state.control
    if control.killed:
        return True  # nothing is stronger
    if reaction.kill:
        return False
    if reaction.reduce_only is not ReduceOnly.NO:
        # The cause is still there, or an operator has not looked yet; its pause was for the beginning.
        return reaction.code in control.reduce_only_reasons
    return now_ns < state.reacting_until_ns.get((reaction.code, target), 0)


def clear(state: State, code: str, now_ns: int) -> list[Command]:
    """The cause of ``code`` has passed: what clears by itself is lifted, the pause runs to its end."""
    if code not in state.control.reduce_only_reasons:
        return []
    record = Cleared(now_ns, code)
    if not apply_clear(state, record):
        return []
    return [record, Notify(now_ns, "info", "reduce_only_lifted", f"{code} has passed")]


def apply_clear(state: State, record: Cleared) -> bool:
    """The same for the state alone; False where only an operator lifts it."""
    if record.code == VALIDATION:
        state.refused_in_row = 0
    return state.control.clear(record.code)


def trips_last_hour(state: State, now_ns: int) -> int:
    """How often something tripped within the last hour."""
    return sum(at_ns > now_ns - HOUR_NS for at_ns, _, _ in state.trips)


def forget_old_trips(trips: deque[tuple[int, str, str]], now_ns: int) -> None:
    """Only the last hour counts."""
    while trips and trips[0][0] <= now_ns - HOUR_NS:
        trips.popleft()


def _cancels(state: State, reaction: Reaction, target: str, now_ns: int) -> list[Command]:
    if reaction.kill:
        return cancel_all(state, "killed", now_ns, but_flatten=is_flattening(state))
    if reaction.cancels is Cancels.NONE:
        return []
    return [
        cancel(state, order, reaction.code, now_ns)
        for order in state.working.values()
        if not order.cancel_asked_ns
        and (reaction.cancels is Cancels.ALL or not order.reduce_only)
        and target in (EVERYTHING, order.instrument)
    ]
