"""Folders of its own for every test's instance."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import pytest

from fieldstack_base.instance import Instance

_numbers = count()


@pytest.fixture
def new_instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    """Nothing of it is made yet."""
    monkeypatch.setenv("FIELDSTACK_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("FIELDSTACK_STATE_DIR", str(tmp_path / "state"))
    return Instance(f"c{os.getpid()}-{next(_numbers)}")


@pytest.fixture
def instance(new_instance: Instance) -> Instance:
    new_instance.prepare()
    return new_instance
