"""What Non-RT says of itself in shared memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldstack.ha.decision.context.decision_state import DecisionState
from fieldstack.ha.model.facts import AxesFacts
from fieldstack.nonrt.status import REASON_BYTES, StatusWriter
from fieldstack_base.instance import Instance
from fieldstack_rt._native import ffi
from fieldstack_rt.datastore import DataStore


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataStore]:
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path / "run"))
    made = DataStore.create(Instance(f"t-status-{os.getpid()}"))
    yield made
    made.unlink()


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("asked by M\udcfcller", b"asked by M?ller"),
        ("\ud83d" * 300, b"?" * (REASON_BYTES - 3) + "…".encode()),
        ("ü" * 300, ("ü" * ((REASON_BYTES - 3) // 2) + "…").encode()),
    ],
)
def test_a_reason_is_told_whatever_people_typed(store: DataStore, reason: str, told: bytes) -> None:
    writer = StatusWriter(store, started_ns=1)
    writer.write(2, DecisionState(reason=reason), AxesFacts(), restarts=0, budget=0, events=0)
    assert ffi.string(store.nonrt_status().ha_reason) == told
