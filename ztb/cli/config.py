"""``ztb config``: what holds in the end and where it came from, whether a profile is sound, which keys there are."""

from __future__ import annotations

import argparse
from typing import Final

from ztb.cli.options import add_profile_options, add_verbs, profile_from
from ztb.cli.result import Result
from ztb.host import schema
from ztb.host.profile import Profile
from ztb.venues.registry import addresses_of

EPILOG: Final = """\
examples:
  ztb config show                                        every value of the profile demo, and its source
  ztb config check --profile demo --set limits.position_max=0.02
  ztb config show --risk                                 the limits alone, and what each trip does
  ztb config keys                                        every key with its meaning, range and default
"""


def register(parser: argparse.ArgumentParser) -> None:
    """``ztb config show|check|keys``."""
    parser.description = "What holds in the end and where it came from, whether it is sound, and which keys there are."
    parser.epilog = EPILOG
    verbs = add_verbs(parser)
    show = verbs.add_parser("show", help="every effective value and its source")
    check = verbs.add_parser("check", help="whether the profile is sound; exit code 78 if not")
    keys = verbs.add_parser("keys", help="every key with its meaning, range and default")
    for verb in (show, check):
        add_profile_options(verb)
    show.add_argument("--risk", action="store_true", help="limits, and the table of what each trip does")
    show.set_defaults(handler=show_profile)
    check.set_defaults(handler=check_profile)
    keys.set_defaults(handler=list_keys)


def show_profile(args: argparse.Namespace) -> Result:
    """Every value with its source, aligned."""
    if args.risk:
        from ztb.cli.risk import show_limits  # another noun: imported only when asked for

        return show_limits(args)
    loaded = profile_from(args)
    values = loaded.effective()
    width = max(map(len, values))
    shown = {key: _text(value) for key, value in values.items()}
    value_width = max(map(len, shown.values()))
    lines: list[str] = []
    section = ""
    for key in values:
        if key.partition(".")[0] != section:
            section = key.partition(".")[0]
            lines += [""] if lines else []
        lines.append(f"{key:{width}}  {shown[key]:{value_width}}  {loaded.sources[key]}")
    data = {
        "profile": loaded.name,
        "digest": loaded.digest,
        "armed": loaded.profile.armed,
        "values": {key: {"value": value, "source": loaded.sources[key]} for key, value in values.items()},
    }
    text = "\n".join([*lines, "", f"digest {loaded.digest}", _armed_text(loaded.profile)])
    return Result(data, text, warnings=loaded.warnings)


def check_profile(args: argparse.Namespace) -> Result:
    """Raises ConfigError for an unsound profile, with every finding; else says which files were read."""
    loaded = profile_from(args)
    files = [str(path) for path in loaded.files]
    data = {"profile": loaded.name, "files": files, "digest": loaded.digest, "armed": loaded.profile.armed}
    text = f"profile {loaded.name} is sound: {', '.join(files)}\n{_armed_text(loaded.profile)}"
    return Result(data, text, warnings=loaded.warnings)


def list_keys(args: argparse.Namespace) -> Result:
    """The reference of every key, as `docs/configuration.md` has it."""
    rows = [
        {
            "key": schema.dotted((*key, "NAME") if key == schema.PARAMETERS else key),
            "allowed": schema.allowed(key),
            "default": schema.default(key),
            "meaning": field.description or "",
        }
        for key, field in schema.fields().items()
    ]
    lines = [f"{row['key']}\n    {row['meaning']}\n    {row['allowed']}; {row['default']}" for row in rows]
    return Result({"keys": rows}, "\n".join(lines))


def _text(value: int | str | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if value != "" else '""'


def _armed_text(profile: Profile) -> str:
    if not profile.armed:
        return "not armed: no order is sent"
    venue = profile.venue
    if venue.paper:
        return f"armed: orders are matched here, in the live market of {venue.name}"
    return "armed: orders go to " + (
        "the built-in exchange" if venue.simulator else addresses_of(venue.name, rest=venue.rest_url).rest
    )
