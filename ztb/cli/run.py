"""``ztb run``: the trader in the foreground. The units start the same command."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from ztb.cli.options import add_profile_options, add_state_option, loopback_url, number, profile_from
from ztb.cli.result import Result
from ztb.core.error import UsageError
from ztb.host.log import add_log_file, configure_log, get_log
from ztb.host.paths import make_private, runtime_directory, state_directory
from ztb.service.foreground import RunOptions
from ztb.service.foreground import run as run_trader

SCALE_MAX: Final = 1_000.0

EPILOG: Final = """\
examples:
  ztb run --profile demo                       the built-in exchange and a trader on it
  ztb run --profile demo --time-scale 20       the same, twenty times as fast
  ztb run --profile demo --observe             signals only: no account, no way to send
  ztb run --profile demo --set venue.name=gmo --set venue.instrument=BTC_JPY
                                               the built-in exchange speaks GMO Coin's protocol
  ztb run --profile paper                      Zaif's live market; orders are matched here, no key is needed
  ztb run --profile paper --simulator-url http://127.0.0.1:8080
                                               the same on the public side of a running `ztb simulator`

stop it with SIGTERM or ctrl-c: working orders are cancelled by the profile's stop policy.
kill it (nothing leaves any more, survives a restart) with `ztb kill --reason TEXT`, or SIGUSR1.
"""


def register(parser: argparse.ArgumentParser) -> None:
    """``ztb run``."""
    parser.description = "Run the trader of a profile until SIGTERM."
    parser.epilog = EPILOG
    add_profile_options(parser)
    add_state_option(parser)
    add = parser.add_argument
    add("--runtime-dir", type=Path, metavar="DIR", help="keep the status and operator files in DIR")
    add("--observe", action="store_true", help="decide, but have no way to send (live-lite)")
    add("--time-scale", type=number(SCALE_MAX), default=1.0, metavar="N", help="N seconds in one (simulator only)")
    add("--epoch-ns", type=int, metavar="NS", help="when scaled time and the wall agree (default: now)")
    add(
        "--simulator-url",
        type=loopback_url,
        metavar="URL",
        help="a running `ztb simulator` instead of a new one, or of the live market",
    )
    add("--log-file", type=Path, metavar="FILE", help="also append the log to FILE, as JSON lines")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> Result:
    """Until it is told to stop."""
    loaded = profile_from(args)
    if args.time_scale != 1.0 and not loaded.profile.venue.simulator:
        raise UsageError("time can be scaled on the built-in exchange only", remedy="leave --time-scale away")
    configure_log(profile=loaded.name)
    if args.log_file is not None:
        add_log_file(args.log_file, profile=loaded.name)
    for warning in loaded.warnings:
        get_log("run").warning("profile_warning", warning)
    state_dir = make_private(
        state_directory(loaded.name, option=args.state_dir, configured=loaded.profile.state.directory)
    )
    options = RunOptions(
        state_dir=state_dir,
        runtime_dir=args.runtime_dir or runtime_directory(loaded.name, state=state_dir),
        time_scale=args.time_scale,
        epoch_ns=args.epoch_ns,
        observe=args.observe,
        simulator_url=args.simulator_url or "",
    )
    run_trader(loaded, options)
    return Result(data={"profile": loaded.name, "stopped": True}, text="")
