"""A store of its own for each test, and a cell without processes on it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fieldstack_base.instance import Instance
from fieldstack_rt.datastore import DataStore
from tests.tasks.bench_cell import BenchCell

_numbers = itertools.count()


@pytest.fixture
def store() -> Iterator[DataStore]:
    store = DataStore.create(Instance(f"core-test-{os.getpid()}-{next(_numbers)}"))
    yield store
    store.unlink()


@pytest.fixture
def make_cell(store: DataStore, tmp_path: Path) -> Callable[..., BenchCell]:
    return lambda **keys: BenchCell(store, tmp_path, **keys)


@pytest.fixture
def cell(make_cell: Callable[..., Any]) -> BenchCell:
    found = make_cell()
    assert isinstance(found, BenchCell)
    return found
