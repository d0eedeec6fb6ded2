"""Checks the machine's real-time set-up: each check names what would make the cycle late, and its remedy.

`/healthz` asks them. None of them fails: a cell on a machine that is not set up runs, only sometimes late.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from fieldstack.health.checks.base import SampleCheck
from fieldstack.health.model.observation import SetupView
from fieldstack.health.model.result import Finding, Level, warned
from fieldstack.host.memory_lock import LOCKED, PARTLY, SLACK_KB, UNKNOWN
from fieldstack_base.units import NS_PER_S

IDLE_LATENCY_MAX_US = 50
THROTTLE_REMEMBERED_NS = 600 * NS_PER_S
_UNSEEN = "the cycle thread does not run, or may not be looked at"


class SetupCheck(SampleCheck):
    source = "setup"

    @abstractmethod
    def evaluate(self, value: SetupView, now_ns: int) -> Finding: ...

    def when_unobserved(self, trouble: str) -> Finding:
        return warned(trouble)


class _SetupProblems:
    """Collects what is wrong and how to correct it."""

    def __init__(self) -> None:
        self._wrong: list[str] = []
        self._remedies: list[str] = []

    def add(self, wrong: str, remedy: str) -> None:
        self._wrong.append(wrong)
        self._remedies.append(remedy)

    def finding(self, well: str, **data: Any) -> Finding:
        """`well` is the text if nothing was added."""
        if self._wrong:
            return Finding(Level.WARN, "; ".join(self._wrong), "; ".join(self._remedies), data)
        return Finding(Level.PASS, well, "", data)


class SchedulerCheck(SetupCheck):
    """The cycle thread: SCHED_FIFO, and pinned to one CPU."""

    name = "rt-scheduler"

    def evaluate(self, value: SetupView, now_ns: int) -> Finding:
        thread, verdict = value.thread, _SetupProblems()
        if thread is None:
            return warned(_UNSEEN)
        if thread.policy != "SCHED_FIFO":
            verdict.add(
                f"the cycle thread runs as {thread.policy}", "grant CAP_SYS_NICE, or set LimitRTPRIO=99"
            )
        if len(thread.cpus) > 1:
            verdict.add(
                f"the cycle thread may run on {len(thread.cpus)} CPUs", "choose one with rt.cpu in cell.yaml"
            )
        text = f"{thread.policy} {thread.priority} on CPU {thread.cpus[0]}"
        return verdict.finding(text, policy=thread.policy, priority=thread.priority, cpus=list(thread.cpus))


class MemoryLockCheck(SetupCheck):
    """RT's memory is locked, and no huge pages are made of it behind its back."""

    name = "rt-memory"

    def evaluate(self, value: SetupView, now_ns: int) -> Finding:
        thread, verdict = value.thread, _SetupProblems()
        if thread is None:
            return warned(_UNSEEN)
        if thread.locked_kb + SLACK_KB < thread.resident_kb:
            verdict.add(
                f"{thread.locked_kb} of {thread.resident_kb} KiB of RT's memory are locked",
                "grant CAP_IPC_LOCK, or set LimitMEMLOCK=infinity",
            )
        if value.transparent_huge_pages == "always":
            verdict.add(
                "transparent huge pages are always on",
                "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
            )
        return verdict.finding("locked")


class GuardMemoryCheck(SetupCheck):
    """Non-RT's memory is locked: no page fault stands between a death of RT and safe outputs."""

    name = "guard-memory"

    def evaluate(self, value: SetupView, now_ns: int) -> Finding:
        lock, verdict = value.nonrt_memory, _SetupProblems()
        if lock is None or lock.state == UNKNOWN:
            return warned("Non-RT does not run, or may not be looked at")
        if lock.state != LOCKED:
            verdict.add(
                f"{lock.locked_kb} of {lock.size_kb} KiB of Non-RT's address space are locked"
                + (", for the guard alone" if lock.state == PARTLY else "; its guard may wait for a page"),
                "grant CAP_IPC_LOCK, or set LimitMEMLOCK=infinity",
            )
        return verdict.finding("locked", resident_kb=lock.resident_kb, locked_kb=lock.locked_kb)


class IsolationCheck(SetupCheck):
    """The cycle's CPU is kept free of other tasks and of the periodic tick."""

    name = "rt-isolation"

    def evaluate(self, value: SetupView, now_ns: int) -> Finding:
        cpus, verdict = value.thread.cpus if value.thread else (), _SetupProblems()
        if len(cpus) != 1:
            return warned("which CPU the cycle runs on is not known", "see the check rt-scheduler")
        cpu = cpus[0]
        for name, found in (("isolcpus", value.isolated), ("nohz_full", value.nohz_full)):
            if cpu not in found:
                verdict.add(f"CPU {cpu} is not in {name}", f"boot with {name}={cpu}")
        return verdict.finding(
            f"CPU {cpu} is isolated", cpu=cpu, isolated=list(value.isolated), nohz_full=list(value.nohz_full)
        )


class KernelCheck(SetupCheck):
    """The kernel can be preempted everywhere, and leaves real-time tasks all the time there is."""

    name = "rt-kernel"

    def evaluate(self, value: SetupView, now_ns: int) -> Finding:
        verdict = _SetupProblems()
        if not value.kernel_realtime:
            verdict.add(
                "this is no PREEMPT_RT kernel", "install one, for example Debian's linux-image-rt-amd64"
            )
        limit = value.rt_runtime_us
        if limit is not None and limit >= 0:
            verdict.add(
                f"real-time tasks may have {limit} of {value.rt_period_us} us",
                "sysctl kernel.sched_rt_runtime_us=-1",
            )
        if value.fair_server_us:
            verdict.add(
                f"ordinary tasks may take {value.fair_server_us} us of each second of the cycle's CPU",
                "write 0 to /sys/kernel/debug/sched/fair_server/cpuN/runtime",
            )
        return verdict.finding("PREEMPT_RT, without a limit for real-time tasks")


class PowerCheck(SetupCheck):
    """Frequency and idle states of the cycle's CPU, and thermal throttling."""

    name = "rt-power"

    def evaluate(self, value: SetupView, now_ns: int) -> Finding:
        verdict = _SetupProblems()
        slow = sorted({name for name in value.governors.values() if name != "performance"})
        if slow:
            verdict.add(f"frequency governor {', '.join(slow)}", "cpupower frequency-set -g performance")
        wake_us, limit_us = value.idle_latency_us, value.dma_latency_us
        held = limit_us is not None and limit_us <= IDLE_LATENCY_MAX_US
        if wake_us is not None and wake_us > IDLE_LATENCY_MAX_US and not held:
            verdict.add(
                f"waking from the deepest idle state takes {wake_us} us",
                "hold /dev/cpu_dma_latency at 0, or boot with processor.max_cstate=1",
            )
        if value.throttled_ns and now_ns - value.throttled_ns < THROTTLE_REMEMBERED_NS:
            verdict.add("a CPU was throttled for heat in the last ten minutes", "cool the machine")
        return verdict.finding("no governor, idle state or heat slows the cycle's CPU, as far as is known")
