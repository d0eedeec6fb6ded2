"""The bus plan as JSON: the start of a cell writes it, and the cell's processes read it.

There is one format and no conversion between versions, because the plan can be made again from its
configuration.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from typing import Any

from fieldstack_base import bounded_json
from fieldstack_ethercat.bus.config.axis_plan import AxisOffsets, AxisPlan, AxisStop
from fieldstack_ethercat.bus.config.plan import BusPlan, GroupPlan
from fieldstack_ethercat.bus.config.slave_plan import (
    Pdo,
    PdoEntry,
    SlavePlan,
    StartupSdo,
    StopOption,
    Sync0,
    Watchdog,
)
from fieldstack_ethercat.bus.errors import PlanFormatError

FORMAT = "fieldstack-bus-plan/3"


def plan_to_json(plan: BusPlan) -> str:
    """The plan as one line of JSON; bytes as hex."""
    document = {"format": FORMAT, **asdict(plan)}
    return json.dumps(document, default=bytes.hex, separators=(",", ":"))


def plan_from_json(text: str | bytes) -> BusPlan:
    """A plan from `plan_to_json`'s text. PlanFormatError if it is of another version or not a plan."""
    try:
        document = bounded_json.loads(text)
        found = document.pop("format", None)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise PlanFormatError(f"not a bus plan: {error}") from error
    if found != FORMAT:
        raise PlanFormatError(
            f"bus plan of format {found!r}, this version reads {FORMAT!r}: "
            "make the plan again from its configuration (one of the two sides is older)"
        )
    try:
        return _bus(document)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise PlanFormatError(f"damaged bus plan: {error!r}") from error


def _bus(raw: dict[str, Any]) -> BusPlan:
    slaves = tuple(_slave(item) for item in raw.pop("slaves"))
    axes = tuple(_axis(item) for item in raw.pop("axes"))
    groups = tuple(_group(item) for item in raw.pop("groups"))
    _same_keys(BusPlan, raw, {"slaves", "axes", "groups"})
    return BusPlan(**raw, slaves=slaves, axes=axes, groups=groups)


def _slave(raw: dict[str, Any]) -> SlavePlan:
    parts: dict[str, Any] = {
        "rx": tuple(_pdo(item) for item in raw.pop("rx")),
        "tx": tuple(_pdo(item) for item in raw.pop("tx")),
        "startup_sdos": tuple(_sdo(item) for item in raw.pop("startup_sdos")),
        "stop_options": tuple(_stop_option(item) for item in raw.pop("stop_options", ())),
        "safe_outputs": bytes.fromhex(raw.pop("safe_outputs")),
        "watchdog": Watchdog(**raw.pop("watchdog")),
    }
    sync0 = raw.pop("sync0")
    parts["sync0"] = None if sync0 is None else Sync0(**sync0)
    return SlavePlan(**raw, **parts)


def _pdo(raw: dict[str, Any]) -> Pdo:
    return Pdo(index=raw["index"], entries=tuple(PdoEntry(**entry) for entry in raw["entries"]))


def _sdo(raw: dict[str, Any]) -> StartupSdo:
    return StartupSdo(**{**raw, "data": bytes.fromhex(raw["data"])})


def _stop_option(raw: dict[str, Any]) -> StopOption:
    return StopOption(**{**raw, "data": bytes.fromhex(raw["data"])})


def _axis(raw: dict[str, Any]) -> AxisPlan:
    stop = AxisStop(**raw.get("stop", {}))
    stop = replace(stop, ladder=tuple(stop.ladder))
    parts = {"offsets": AxisOffsets(**raw["offsets"]), "stop": stop}
    return AxisPlan(**{**raw, **parts})


def _group(raw: dict[str, Any]) -> GroupPlan:
    lists = {key: tuple(raw[key]) for key in ("axes", "slaves", "capabilities")}
    return GroupPlan(**{**raw, **lists})


def _same_keys(kind: type[BusPlan], raw: dict[str, Any], done: set[str]) -> None:
    expected = {field.name for field in fields(kind)} - done
    if expected != set(raw):
        raise KeyError(", ".join(sorted(expected ^ set(raw))))
