"""What the guard touches is locked and resident, as the kernel says of the process that runs it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from fieldstack.host.memory_lock import memory_lock
from fieldstack_base.instance import Instance
from fieldstack_base.proc.memory_map import parse_mapping

_PROCESS = """
import sys, threading
from fieldstack_rt.datastore import DataStore
from fieldstack_rt.datastore.memory import file_of
from fieldstack_rt.guard import Guard, GuardConfig
from fieldstack_base.instance import Instance
from fieldstack_rt.memory_lock import lock_for_the_guard
store = DataStore.create(Instance(sys.argv[1]))
refused = lock_for_the_guard(file_of(store.instance.shm_name))
guard = Guard(store, GuardConfig(cpu=-1, priority=0)).start()
for _ in range(20):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
print(str(refused or "granted"), flush=True)
sys.stdin.readline()
guard.stop()
store.unlink()
"""


def limited(limit: int) -> list[str]:
    """Without the capability; limits are for who has it."""
    capability = ["setpriv", "--bounding-set", "-ipc_lock", "--inh-caps", "-ipc_lock"]
    return ["prlimit", f"--memlock={limit}:{limit}", *capability]


def run(instance: Instance, *prefix: str) -> tuple[str, dict[str, dict[str, str]], str]:
    """What it said, its smaps by address and name, and the kernel's word on the whole of it."""
    command = [*prefix, sys.executable, "-c", _PROCESS, instance.name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = process.stdout.readline()
        smaps = parse(Path(f"/proc/{process.pid}/smaps").read_text())
        state = memory_lock(process.pid).state
        smaps["guard's stack"] = next(
            fields
            for name, fields in smaps.items()
            if holds(name, stack_pointer_of_the_first_thread(process.pid))
        )
        process.stdin.write("\n")
    assert process.returncode == 0
    return said, smaps, state


def parse(text: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in text.splitlines():
        if line[:1].islower() or line[:1].isdigit():
            fields = line.split(maxsplit=5)
            name = f"{fields[0]} {fields[1]} {fields[5] if len(fields) > 5 else ''}"
            current = found[name] = {}
        else:
            key, _, value = line.partition(":")
            current[key] = value.strip()
    return found


def of(smaps: dict[str, dict[str, str]], part: str) -> list[dict[str, str]]:
    found = [fields for name, fields in smaps.items() if part in name and name.split()[1][0] == "r"]
    assert found, part
    return found


def locked_and_resident(fields: dict[str, str]) -> bool:
    return "lo" in fields["VmFlags"].split() and fields["Rss"] == fields["Size"]


HOT = ("/dev/shm/fieldstack-", "_native.", "/libc.so")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may lock without a limit")
def test_all_is_locked_and_what_the_guard_touches_is_resident(instance: Instance) -> None:
    said, smaps, state = run(instance)
    assert said == "granted\n"
    assert state == "locked"
    assert all(locked_and_resident(fields) for part in HOT for fields in of(smaps, part))
    stack = smaps["guard's stack"]
    assert "lo" in stack["VmFlags"].split()
    assert kb(stack["Rss"]) >= 128
    huge = [fields for fields in smaps.values() if kb(fields["Size"]) >= 8192 and kb(fields["Rss"]) > 4096]
    assert not huge, "stacks and arenas that nobody has touched cost nothing"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a capability away")
@pytest.mark.parametrize("limit", [8 << 20, 64 << 20], ids=["the usual one", "more than it has at its start"])
def test_with_a_limit_the_guards_part_is_locked_and_the_rest_is_told(instance: Instance, limit: int) -> None:
    """Nor does a limit that is enough at the start make a later thread fail: all address space counts."""
    if not 0 <= limit <= resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] % 2**63:
        pytest.skip("this limit may not be had here")
    said, smaps, state = run(instance, *limited(limit))
    assert "Non-RT's memory is not locked" in said
    assert "only the guard's code and the shared memory are" in said
    assert "LimitMEMLOCK=infinity" in said
    assert state == "partly"
    assert all(locked_and_resident(fields) for part in HOT for fields in of(smaps, part))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a capability away")
def test_where_nothing_can_be_locked_that_is_told(instance: Instance) -> None:
    said, _, state = run(instance, *limited(4096))
    assert "nor is all that the guard touches" in said
    assert state in ("not locked", "partly")


def stack_pointer_of_the_first_thread(pid: int) -> int:
    """The guard is started before all others; the kernel tells where its stack is while it waits."""
    tid = min(int(name) for name in os.listdir(f"/proc/{pid}/task") if int(name) != pid)
    while True:
        words = Path(f"/proc/{pid}/task/{tid}/syscall").read_text().split()
        if words[0] != "running":
            return int(words[-2], 16)


def holds(name: str, address: int) -> bool:
    one = parse_mapping(name)
    return one.start <= address < one.end


def kb(text: str) -> int:
    return int(text.split(maxsplit=1)[0])


def test_of_a_process_that_is_gone_nothing_is_known() -> None:
    assert memory_lock(None).state == memory_lock(1 << 22).state == "unknown"
