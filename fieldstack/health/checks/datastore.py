"""Checks that the shared memory is consistent: whole records, right checksums, stamps that are possible.

`/readyz` and `/healthz` ask it.
"""

from __future__ import annotations

from fieldstack.health.checks.base import MemoryCheck
from fieldstack.health.model.observation import MemoryView
from fieldstack.health.model.result import Finding, failed, passed


class DataStoreCheck(MemoryCheck):
    name = "datastore"

    def evaluate(self, value: MemoryView, now_ns: int) -> Finding:
        wrong = [*(f"record {name} is torn" for name in value.torn), *value.damage]
        if wrong:
            remedy = "restart the process that writes the record: fieldstack restart, or the policy's rule"
            return failed("; ".join(wrong), remedy, torn=list(value.torn), damage=list(value.damage))
        return passed("all records are whole")
