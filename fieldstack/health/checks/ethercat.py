"""EtherCAT communication: slaves in OP, working counter as expected, frames that come back."""

from __future__ import annotations

from fieldstack.health.checks.base import MemoryCheck
from fieldstack.health.observation import MemoryView
from fieldstack.health.result import Finding, Level, failed


class EtherCatCheck(MemoryCheck):
    """DEGRADED cells may be without slaves that they do not need: the working counter is the judge then."""

    name = "ethercat"

    def judge(self, value: MemoryView, now_ns: int) -> Finding:
        shot = value.snapshot
        bus = shot.bus
        if not shot.live:
            return failed("no process data is exchanged: RT does not cycle", "see the check process-rt")
        data = {"wkc": bus.wkc, "expected_wkc": bus.expected_wkc, "al_states": list(bus.al_states)}
        outside = [f"{one.name} {one.al_state}" for one in bus.slaves if one.al_state != "OP"]
        hint = bus.diagnosis
        if bus.wkc != bus.expected_wkc:
            text = f"working counter {bus.wkc}, expected {bus.expected_wkc}"
            return Finding(Level.FAIL, ": ".join(filter(None, (text, hint))), "", data)
        if outside:
            level = Level.WARN if shot.ha.state == "DEGRADED" else Level.FAIL
            return Finding(level, f"not in OP: {', '.join(outside)}", hint, data)
        if not bus.slaves:
            return Finding(Level.FAIL, "no slaves: the bus is not up yet", hint, data)
        return Finding(Level.PASS, f"{len(bus.slaves)} slaves in OP, working counter {bus.wkc}", "", data)
