"""What every rung is given, and the run directory's layout (A-33 to A-37)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ztb.host.config import LoadedProfile

Progress = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]
"""``with progress(label, total) as advance: advance(1)``; made by whoever runs the ladder."""

MINUTE_S: Final = 60
REPLAY_MINUTES: Final = 10.0
LIVE_LITE_MINUTES: Final = 20.0
KILL_RESUME_MINUTES: Final = 5.0
LOGS, METRICS, REPORTS, CONFIG, WORK = "logs", "metrics", "reports", "config", "work"


@dataclass(frozen=True)
class Durations:
    """Windows in minutes of scaled time (A-08: 10/20/5 unless one value is given for all).

    The replay takes the whole tape, however long that is; its value is not used.
    """

    replay: float = REPLAY_MINUTES
    live_lite: float = LIVE_LITE_MINUTES
    kill_resume: float = KILL_RESUME_MINUTES


@dataclass(frozen=True)
class CanaryOptions:
    """What the command line says, complete."""

    loaded: LoadedProfile
    policy: str
    tape: Path
    out: Path
    run_id: str
    durations: Durations = Durations()
    kill_threshold: float = 0.01
    """Drawdown, as a fraction of the capital, at which the canary's traders kill themselves (A-10)."""
    connectivity_skip: bool = False
    time_scale: float = 1.0
    config_dir: Path | None = None
    overrides: tuple[str, ...] = ()
    """``section.key=value``, as given to ``--set``."""

    def profile_words(self, *overrides: str) -> list[str]:
        """Profile and settings as words for the processes that a rung starts; ``overrides`` come last."""
        words = ["--profile", self.loaded.name]
        if self.config_dir is not None:
            words += ["--config-dir", str(self.config_dir.absolute())]
        return words + [word for setting in (*self.overrides, *overrides) for word in ("--set", setting)]

    def trader_overrides(self) -> tuple[str, ...]:
        """The policy of the run and its kill threshold, as settings for a trader."""
        found = [f"limits.drawdown_max_pct={self.kill_threshold * 100:g}"]
        if self.policy != self.loaded.profile.policy.name:
            found.append(f"policy.name={self.policy}")
        return tuple(found)


@dataclass
class Context:
    """One run: options, directories, and what the rungs leave for the bundle."""

    options: CanaryOptions
    build: str
    progress: Progress
    system_metrics: dict[str, Any] = field(default_factory=dict)
    performance_metrics: dict[str, Any] = field(default_factory=dict)
    sessions: dict[str, Path] = field(default_factory=dict)
    """State directories worth a picture, by the rung that made them."""
    secrets: list[str] = field(default_factory=list)
    """Values that must not be found in any file of the bundle."""
    data_sha256: str = ""
    """Of the market data, as the preflight read it."""

    @property
    def out(self) -> Path:
        """The run directory."""
        return self.options.out

    def directory(self, name: str) -> Path:
        """A sub-directory of the run directory, made if missing."""
        path = self.out / name
        path.mkdir(mode=0o700 if name == WORK else 0o755, parents=True, exist_ok=True)
        return path

    def wall_seconds(self, minutes: float) -> float:
        """How long ``minutes`` of scaled time last on the wall."""
        return minutes * MINUTE_S / self.options.time_scale
