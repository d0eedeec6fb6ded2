"""How long fuzzing takes: FUZZ_SECONDS for each fuzzer, from FUZZ_SEED on; `make fuzz` sets them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from random import Random

import pytest

SECONDS = float(os.environ.get("FUZZ_SECONDS", "2"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))


@pytest.fixture
def rounds() -> Callable[[], Iterator[Random]]:
    """Rounds until the time is over, each with random numbers of its own; a failure names their seed."""

    def play() -> Iterator[Random]:
        until, seed = time.monotonic() + SECONDS, SEED
        while True:
            try:
                yield Random(seed)
            except GeneratorExit:
                print(f"to play it again: FUZZ_SEED={seed} FUZZ_SECONDS=0")
                raise
            seed += 1
            if time.monotonic() >= until:
                return

    return play
