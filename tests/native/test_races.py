"""Threads against each other, built with ThreadSanitizer: seconds each, longer by `make races`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = os.environ.get("RACE_SECONDS", "2")
SEED = os.environ.get("RACE_SEED", "1")
BUILD_S = 300
NO_ROOM = "unexpected memory mapping"
"""What ThreadSanitizer says where the kernel places memory at more random places than it knows."""


def built(target: str) -> Path:
    subprocess.run(["make", "-s", target], cwd=ROOT, check=True, timeout=BUILD_S)
    return ROOT / target


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command, SEED, SECONDS], capture_output=True, text=True, check=False)


@pytest.mark.timeout(BUILD_S + 2 * float(SECONDS))
@pytest.mark.parametrize("name", ["records", "rings", "latch", "locks", "cycle", "segment"])
def test_no_two_threads_touch_the_same_without_order(name: str) -> None:
    race = built(f"build/c/native/race_{name}")
    done = run(race)
    if NO_ROOM in done.stderr:
        done = run("setarch", "-R", race)
    print(f"{name} from seed {SEED} on: {done.stdout.strip()}")
    assert done.returncode == 0, done.stderr
