"""The shape of a scenario file (YAML). Times are texts such as `150ms`, `2s`, `1.5min`.

Used by `play` and `model_cell`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from fieldstack.ha.model.actions import ActionKind
from fieldstack.ha.model.facts import RequestKind
from fieldstack.ha.model.measures import FactKind
from fieldstack.ha.model.states import HaState
from fieldstack_base.section import Section

_UNITS = {"ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9}
MAX_BYTES = 256 * 1024
MAX_PASSES = 2_000_000


class ScenarioError(ValueError):
    """A scenario file that cannot be played: file, key, what is wrong, what to do."""


def _time_ns(text: Any) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(ms|s|min|h)", text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError("write a time with its unit, for example 150ms, 2s or 1.5min")
    return round(float(found[1]) * _UNITS[found[2]])


def _kind(text: Any) -> str:
    kind = str(text).split(" ", 1)[0]
    if kind not in ActionKind.__members__:
        raise ValueError(f"{kind!r} is no action; known are: {', '.join(ActionKind.__members__)}")
    return str(text)


def _state(text: Any) -> HaState:
    if text not in HaState.__members__:
        raise ValueError(f"{text!r} is no state; known are: {', '.join(HaState.__members__)}")
    return HaState[text]


Time = Annotated[int, BeforeValidator(_time_ns)]
Ordered = Annotated[str, BeforeValidator(_kind)]
Condition = Literal["running", "starting", "silent", "stopped", "dead"]
Answer = Literal["confirmed", "failed", "silent"]
Start = Literal["works", "fails", "hangs", "refuses"]


class _Part(Section):
    """As every section, but values may be converted: names become enum members, lists tuples."""

    model_config = ConfigDict(strict=False)


class ProcessChange(_Part):
    """What becomes of a process."""

    condition: Condition
    why: str = ""
    exit_code: int | None = None


class Reading(_Part):
    """What the probes measure from now on. `value` null: they tell nothing of it any more."""

    fact: FactKind
    subject: str
    value: float | None = 1.0
    detail: str = ""


class Asked(_Part):
    """What a person asks for."""

    kind: RequestKind
    by: str = "Ann"
    note: str = ""
    subject: str = ""


class Moment(_Part):
    """Something happens. `working_counter`: what comes back each cycle from now on (expected: 14).

    `starts`: what becomes of the next starts of a process; `answers`: of orders of an action from now on.
    """

    at: Time
    what: str
    rt: ProcessChange | None = None
    core: ProcessChange | None = None
    working_counter: int | None = None
    positions: Literal["agree", "differ"] | None = None
    estop: str | None = None
    safe_moment: bool | None = None
    measures: list[Reading] = Field(default_factory=list)
    ask: Asked | None = None
    starts: dict[Literal["rt", "core"], Start] = Field(default_factory=dict)
    answers: dict[Ordered, Answer] = Field(default_factory=dict)


class Expectation(_Part):
    """What has to be so. Actions are words (`SEND_ALERT`), with their subject where it matters
    (`REBOOT_PROCESS fieldstack-core`), ordered since the expectation before: `actions` all of them, `never`
    none of them. `rules`: those that count, all of them. `moves`: axes may move, or wait for a start;
    `waits_for_start`: a part of why."""

    at: Time
    state: Annotated[HaState, BeforeValidator(_state)] | None = None
    reason: str | None = None
    rules: list[str] | None = None
    actions: list[Ordered] = Field(default_factory=list)
    never: list[Ordered] = Field(default_factory=list)
    answer: str | None = None
    override_percent: int | None = None
    moves: bool | None = None
    waits_for_start: str | None = None


class Scenario(_Part):
    """A whole file. The cell is OPERATIONAL at the beginning, unless `begin` says `cold`."""

    title: str
    about: str
    begin: Literal["operational", "cold"] = "operational"
    every: Annotated[Time, Field(gt=0, description="time between two decisions")] = 20 * 10**6
    confirm_after: Annotated[Time, Field(description="until an order is confirmed")] = 40 * 10**6
    core: bool = True
    group_of: Annotated[
        dict[str, str],
        Field(description="axis:NAME and slave:NAME with their group:NAME, where others stand in for it"),
    ] = Field(default_factory=dict)
    timeline: list[Moment]
    expect: Annotated[list[Expectation], Field(min_length=1)]

    @property
    def end_ns(self) -> int:
        return max([one.at for one in self.timeline] + [one.at for one in self.expect])


def load_scenario(file: Path) -> Scenario:
    """ScenarioError: the file cannot be read, is no YAML, or has keys or values that mean nothing."""
    try:
        content = file.read_bytes()
        if len(content) > MAX_BYTES:
            raise ScenarioError(f"{file}: is larger than {MAX_BYTES} bytes; is it a scenario?")
        found = Scenario.model_validate(yaml.safe_load(content))
    except OSError as error:
        raise ScenarioError(
            f"{file}: cannot be read ({error.strerror}); check path and permissions"
        ) from error
    except RecursionError as error:
        raise ScenarioError(f"{file}: is nested too deeply; is it a scenario?") from error
    except yaml.YAMLError as error:
        raise ScenarioError(f"{file}: is no YAML: {error}") from error
    except ValidationError as error:
        lines = [f"{_path(one['loc'])}: {one['msg']}" for one in error.errors()]
        raise ScenarioError("\n  ".join([f"{file}: the scenario cannot be played", *lines])) from error
    if found.end_ns // max(1, found.every) > MAX_PASSES:
        raise ScenarioError(f"{file}: every: makes more than {MAX_PASSES} decisions; make it longer")
    return found


def _path(parts: tuple[int | str, ...]) -> str:
    return (
        "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).lstrip(".") or "file"
    )
