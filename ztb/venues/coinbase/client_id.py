"""Our client order id as Coinbase wants to see it: in the form of a UUID, and back without a table.

The venue recommends a UUID (one source says that it insists), so the 20 hex digits of ``ztb-…`` travel inside one,
behind the letters "ztb" in ASCII and around the two nibbles that every UUID of version 8 has to carry.
"""

from __future__ import annotations

import re
from typing import Final

from ztb.core.error import InvariantBroken

PREFIX: Final = "ztb-"
_OURS: Final = re.compile(r"ztb-[0-9a-f]{20}")
_MARK: Final = "7a7462"
_FILLING: Final = "0000"
_UUID: Final = re.compile(
    rf"({_MARK}[0-9a-f]{{2}})-([0-9a-f]{{4}})-8([0-9a-f]{{3}})-8([0-9a-f]{{3}})-([0-9a-f]{{8}}){_FILLING}"
)


def wire_id(client_id: str, *, as_uuid: bool = True) -> str:
    """What goes over the wire; an id that is not of our form is a mistake of ours."""
    if not _OURS.fullmatch(client_id):
        raise InvariantBroken(f"client id {client_id!r} cannot travel to Coinbase: not ztb- and 20 hex digits")
    if not as_uuid:
        return client_id
    digits = _MARK + client_id.removeprefix(PREFIX) + _FILLING
    digits = f"{digits[:12]}8{digits[12:15]}8{digits[15:]}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def tag_of(wire: str) -> str:
    """Our client id, in whichever of the two forms it travelled; "" for an order that is not ours."""
    if _OURS.fullmatch(wire):
        return wire
    found = _UUID.fullmatch(wire.lower())
    return PREFIX + "".join(found.groups()).removeprefix(_MARK) if found else ""
