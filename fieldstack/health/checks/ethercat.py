"""Checks EtherCAT communication: slaves in OP, working counter as expected, frames that come back.

`/readyz` and `/healthz` ask it.
"""

from __future__ import annotations

from fieldstack.health.checks.base import MemoryCheck
from fieldstack.health.model.observation import MemoryView
from fieldstack.health.model.result import Finding, Level, failed


class EtherCatCheck(MemoryCheck):
    """RT's own verdict on the working counter; a lost slave that the cell does not need is a warning."""

    name = "ethercat"

    def evaluate(self, value: MemoryView, now_ns: int) -> Finding:
        shot = value.snapshot
        bus = shot.bus
        if not shot.live:
            return failed("no process data is exchanged: RT does not cycle", "see the check process-rt")
        counter = {"wkc": bus.wkc, "expected_wkc": bus.expected_wkc, "wkc_verdict": bus.wkc_verdict}
        data = {**counter, "al_states": list(bus.al_states)}
        outside = [f"{one.name} {one.al_state}" for one in bus.slaves if one.al_state != "OP"]
        hint = bus.diagnosis
        if not bus.wkc_good:
            text = f"working counter {bus.wkc}, expected {bus.expected_wkc}: {bus.wkc_verdict}"
            return Finding(Level.FAIL, ": ".join(filter(None, (text, hint))), "", data)
        if outside:
            spared = all(one.spared for one in bus.slaves if one.al_state != "OP")
            level = Level.WARN if spared else Level.FAIL
            return Finding(level, f"not in OP: {', '.join(outside)}", hint, data)
        if not bus.slaves:
            return Finding(Level.FAIL, "no slaves: the bus is not up yet", hint, data)
        return Finding(Level.PASS, f"{len(bus.slaves)} slaves in OP, working counter {bus.wkc}", "", data)
