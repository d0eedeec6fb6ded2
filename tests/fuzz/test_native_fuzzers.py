"""The C fuzzers, with address and undefined-behaviour sanitizers: seconds each, longer by `make fuzz`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = os.environ.get("FUZZ_SECONDS", "2")
SEED = os.environ.get("FUZZ_SEED", "1")
BUILD_S = 300


def built(target: str) -> Path:
    subprocess.run(["make", "-s", target], cwd=ROOT, check=True, timeout=BUILD_S)
    return ROOT / target


@pytest.mark.timeout(BUILD_S + 2 * float(SECONDS))
@pytest.mark.parametrize("name", ["segment_frames", "store_readers", "cycle_on_damage", "safe_answers"])
def test_it_finds_nothing(name: str) -> None:
    done = subprocess.run(
        [built(f"build/c/fuzz/{name}"), SEED, SECONDS], capture_output=True, text=True, check=False
    )
    print(f"{name} from seed {SEED} on: {done.stdout.strip()}")
    assert done.returncode == 0, done.stderr
