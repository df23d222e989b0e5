"""``ztb simulator``: a whole exchange on this machine, driven by recorded market data."""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from ztb.cli.options import number, tape_file, whole
from ztb.cli.result import Result
from ztb.core.error import UsageError
from ztb.host.clock import HostClock
from ztb.simulator.coinbase.rules import CoinbaseRules
from ztb.simulator.dialect import Address
from ztb.simulator.gmo.rules import GmoRules
from ztb.simulator.process import VENUES, SimulatorOptions, build, serve
from ztb.simulator.zaif.rules import ZaifRules
from ztb.store.tape import TapeReader

_SECOND_NS: Final = 1_000_000_000
SCALE_MAX: Final = 10_000.0

EPILOG: Final = """\
examples:
  ztb simulator --venue zaif --tape demo-btc_jpy.tape --listen 127.0.0.1:0 --accounts accounts.toml
  ztb simulator --venue zaif --tape T --listen 127.0.0.1:8080 --accounts A.toml --time-scale 20 --admin

accounts file:
  [[account]]
  key = "490f983a-5fab-49b2-b789-9d1f130874d3"
  secret = "..."
  balances = { jpy = "1000000", btc = "1.0" }

  at coinbase, the key's name and its public half instead of a secret:
  public_key_pem = '''-----BEGIN PUBLIC KEY----- ... '''
"""


def register(parser: argparse.ArgumentParser) -> None:
    """``ztb simulator``."""
    parser.description = "An exchange on loopback: matching engine, accounts, a tape as market, a venue's own protocol."
    parser.epilog = EPILOG
    add = parser.add_argument
    add("--venue", required=True, choices=tuple(VENUES), help="whose protocol to speak")
    add(
        "--tape",
        required=True,
        type=tape_file,
        metavar="FILE",
        help="recorded market data, or the name of a bundled tape",
    )
    add("--listen", required=True, metavar="HOST:PORT", help="a loopback address; port 0 takes any free one")
    add("--accounts", required=True, type=Path, metavar="FILE.toml", help="API keys, secrets and balances")
    add(
        "--time-scale",
        type=number(SCALE_MAX),
        default=1.0,
        metavar="N",
        help="N seconds in one of the wall (default 1)",
    )
    add("--epoch-ns", type=int, metavar="NS", help="when scaled time and the wall agree (default: now)")
    add("--start-offset", type=whole(0, 10**9), default=0, metavar="SECONDS", help="begin so far into the tape")
    add("--loop", action=argparse.BooleanOptionalAction, default=True, help="play the tape again at its end (default)")
    add("--admin", action="store_true", help="serve /_sim/status, /_sim/book and /_sim/mood")
    add("--seed", type=int, default=0, metavar="S", help="of the dice behind hostile moods (default 0)")
    add("--public-per-second", type=whole(0, 10**6), default=10, metavar="N", help="0: no limit (default 10)")
    add("--public-refusal", type=int, choices=(403, 429), default=403, help="status beyond that (default 403)")
    add("--private-limits", action=argparse.BooleanOptionalAction, default=True, help="documented limits per method")
    add("--order-too-new-ms", type=whole(0, 10**9), default=0, metavar="MS", help="refuse cancels of younger orders")
    add(
        "--alias-quote",
        type=_currency,
        default="",
        metavar="CODE",
        help="coinbase: another name of the product, USDC for BTC-USDC",
    )
    add("--with-parent", action="store_true", help="end when standard input ends: for a parent that starts this")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> Result:
    """Serve until SIGTERM or SIGINT."""
    reader = TapeReader(args.tape)
    reader.check_blocks()
    server = build(
        _options(args),
        instrument=reader.meta.instrument,
        tape=reader.events,
        clock=HostClock(args.time_scale, args.epoch_ns),
    )
    addresses: list[str] = []

    def ready(address: Address) -> None:
        addresses.append(address.text)
        # Under --json standard output belongs to the envelope.
        stream = sys.stderr if args.json else sys.stdout
        print(f"simulator: {args.venue} on http://{address.text} ready", file=stream, flush=True)

    asyncio.run(serve(server, ready=ready, with_parent=args.with_parent))
    return Result(data={"venue": args.venue, "address": addresses[0]}, text="simulator: stopped")


def _options(args: argparse.Namespace) -> SimulatorOptions:
    host, port = listen_address(args.listen)
    return SimulatorOptions(
        venue=args.venue,
        accounts=args.accounts,
        host=host,
        port=port,
        loop=args.loop,
        start_offset_ns=args.start_offset * _SECOND_NS,
        admin=args.admin,
        seed=args.seed,
        zaif=ZaifRules(
            public_per_second=args.public_per_second,
            public_refusal_status=args.public_refusal,
            private_limits=args.private_limits,
            order_too_new_ns=args.order_too_new_ms * 1_000_000,
        ),
        gmo=_gmo_rules(args),
        coinbase=CoinbaseRules(
            public_per_second=args.public_per_second,
            private_limits=args.private_limits,
            alias_quote=args.alias_quote,
        ),
    )


def _gmo_rules(args: argparse.Namespace) -> GmoRules:
    rules = GmoRules(
        public_per_second=args.public_per_second,
        public_refusal_status=args.public_refusal,
        private_limits=args.private_limits,
        order_too_new_ns=args.order_too_new_ms * 1_000_000,
    )
    return rules if args.private_limits else replace(rules, subscribe_interval_ns=0)


def _currency(text: str) -> str:
    """For argparse: a currency's code, or none."""
    if text and not (text.isascii() and text.isalnum() and 2 <= len(text) <= 12):
        raise argparse.ArgumentTypeError(f"{text!r} is no currency: write a code such as USDC")
    return text.upper()


def listen_address(text: str) -> tuple[str, int]:
    """Host and port of ``127.0.0.1:8080`` or ``[::1]:8080``. UsageError for anything else."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or not 0 <= int(port) <= 65_535:
        raise UsageError(f"--listen is {text!r}", remedy="write HOST:PORT, for example 127.0.0.1:8080")
    return host.strip("[]"), int(port)
