"""A shared memory with the demo cell's plan; `script.py` of the decision core's tests is importable."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldstack.cell import configuration, locations
from fieldstack_base.instance import Instance
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.plan_json import plan_to_json
from fieldstack_rt.datastore import DataStore


@pytest.fixture
def plan() -> BusPlan:
    return configuration.load(locations.find(None)).plan


@pytest.fixture
def bare_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: BusPlan) -> Iterator[DataStore]:
    """Nobody has written into it."""
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("FIELDSTACK_STATE_DIR", str(tmp_path / "state"))
    instance = Instance(f"pred-{os.getpid()}")
    instance.prepare()
    instance.plan_file.write_text(plan_to_json(plan), encoding="utf-8")
    made = DataStore.create(instance)
    yield made
    made.unlink()
