"""Shared memory of its own for every test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import DataStore

_numbers = count()


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("FIELDSTACK_STATE_DIR", str(tmp_path / "state"))
    found = Instance(f"t{os.getpid()}-{next(_numbers)}")
    found.prepare()
    return found


@pytest.fixture
def store(instance: Instance) -> Iterator[DataStore]:
    made = DataStore.create(instance)
    yield made
    made.unlink()
