"""A shared memory as a running cell fills it, and observations of cells in any state."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import DataStore


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("FIELDSTACK_STATE_DIR", str(tmp_path / "state"))
    instance = Instance(f"h{os.getpid()}")
    instance.prepare()
    return instance


@pytest.fixture
def store(instance: Instance) -> Iterator[DataStore]:
    store = DataStore.create(instance)
    yield store
    store.unlink()
