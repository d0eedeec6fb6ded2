"""Writes and reads the liveness rules of the policy in force, in a file of the runtime folder.

Non-RT writes it when a policy takes effect. Status and health use it to judge what they find in shared
memory. Without the file they use the numbers of the shipped policy, and say so.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.model.vocabulary import ProcessName
from fieldstack.ha.monitor.liveness import LivenessRule
from fieldstack.ha.policy.in_force.compiled import CompiledPolicy
from fieldstack_base import bounded_json
from fieldstack_base.atomic_file import replace_file
from fieldstack_base.units import NS_PER_MS

_MS = NS_PER_MS


@dataclass(frozen=True, slots=True)
class LivenessRules:
    """`housekeeping_ns`: RT's Python thread is silent after so long. `policy`: its SHA-256; empty: they are
    the built-in ones."""

    rt: LivenessRule
    core: LivenessRule
    nonrt: LivenessRule
    housekeeping_ns: int
    policy: str = ""

    @classmethod
    def of(cls, policy: CompiledPolicy) -> LivenessRules:
        agent = policy.rt_agent
        return cls(
            LivenessRule.of(policy.process(ProcessName.RT)),
            LivenessRule.of(policy.process(ProcessName.CORE)),
            LivenessRule.by_time(agent.nonrt_timeout_ms * _MS, agent.nonrt_startup_grace_ms * _MS),
            _housekeeping_ns(policy),
            policy.digest,
        )


BUILT_IN = LivenessRules(
    rt=LivenessRule(200 * _MS, 20 * _MS, 5, 20_000 * _MS),
    core=LivenessRule(2000 * _MS, 100 * _MS, 5, 20_000 * _MS),
    nonrt=LivenessRule.by_time(500 * _MS, 10_000 * _MS),
    housekeeping_ns=800 * _MS,
)
"""The rules of the shipped policy."""


def _housekeeping_ns(policy: CompiledPolicy) -> int:
    """The time after which the policy's first rule about it takes effect; without a rule the built-in one."""
    rows = (row for row in policy.rows if row.fact is FactKind.HOUSEKEEPING_SILENT)
    times = (round(row.threshold * _MS) + row.debounce_ns for row in rows)
    return min(times, default=BUILT_IN.housekeeping_ns)


class RulesInForce:
    """The rules in a file, read again when it was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._rules = BUILT_IN

    def current(self) -> LivenessRules:
        try:
            found = self._path.stat()
        except OSError:
            self._stamp, self._rules = None, BUILT_IN
            return BUILT_IN
        stamp = (found.st_ino, found.st_mtime_ns)
        if stamp != self._stamp:
            self._stamp, self._rules = stamp, read_rules(self._path)
        return self._rules


def publish_rules(path: Path, policy: CompiledPolicy) -> None:
    """If the folder is full, the rules are lost, not the cell: nobody may use those of an old policy."""
    try:
        replace_file(path, json.dumps(asdict(LivenessRules.of(policy))) + "\n")
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()


def read_rules(path: Path) -> LivenessRules:
    """The rules that `publish_rules` wrote; the built-in ones if there is no such file, or it is damaged."""
    try:
        data = bounded_json.loads(path.read_text(encoding="utf-8"))
        rt, core, nonrt = (LivenessRule(**_numbers(data[name])) for name in ("rt", "core", "nonrt"))
        return LivenessRules(rt, core, nonrt, int(data["housekeeping_ns"]), str(data["policy"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return BUILT_IN


def _numbers(data: dict[str, object]) -> dict[str, int]:
    """Of a rule: none is less than 1, which no policy allows."""
    if not all(type(value) is int and value > 0 for value in data.values()):
        raise ValueError("not the numbers of a rule")
    return {key: value for key, value in data.items() if isinstance(value, int)}
