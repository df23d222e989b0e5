"""All cases together, and the page of the manual that is made from them."""

from __future__ import annotations

from tests.venues.contract import cases_fate, cases_money, cases_orders, cases_stream
from tests.venues.contract.case import CASES

__all__ = ["CASES", "MODULES"]

MODULES = (cases_orders, cases_money, cases_fate, cases_stream)
