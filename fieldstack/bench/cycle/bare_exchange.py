"""The reference for the exchange: SOEM's send and receive in a bare C loop, on the same bus.

`bench cycle` runs it with RT's period and priority. It is a program of its own (`python -m
fieldstack.bench.cycle.bare_exchange`), because only one master may be on the bus. It brings the bus to OP as
the plan says, measures, and takes the bus down again in an orderly way. Meanwhile its Python part reads the
slaves' states as often as the RT process does, because a CPU with less to do sleeps deeper and answers later.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fieldstack.bench.cycle.bare_loop import BareLoop, LoopSetup
from fieldstack.bench.harness import machine
from fieldstack.bench.harness.errors import ProgramError
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.plan_json import plan_from_json
from fieldstack_ethercat.bus.errors import BusError
from fieldstack_ethercat.bus.master.bus import Bus
from fieldstack_ethercat.wire.al import AlState
from fieldstack_rt import realtime, receive
from fieldstack_rt.executive import HOUSEKEEPING_S
from fieldstack_rt.housekeeping import CALM_PERIOD_NS

SETTLE_S = 0.2
BRINGUP_S = 30.0
"""Extra time for bring-up and take-down; samples are taken then, too."""


@dataclass(frozen=True, slots=True)
class BareExchange:
    """The result of one run: exchange times in ns of the frames that came back, and how many did not.

    `wake_ns`: how late each pass woke. `idle`: the share of the time in which each CPU was idle.
    """

    exchange_ns: tuple[int, ...]
    lost: int
    wake_ns: tuple[int, ...] = ()
    idle: dict[int, float] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str) -> BareExchange:
        data = json.loads(text)
        idle = {int(cpu): share for cpu, share in data["idle"].items()}
        return cls(tuple(data["exchange_ns"]), data["lost"], tuple(data["wake_ns"]), idle)

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def run(
    plan_file: Path, interface: str, *, cpu: int, priority: int, phase_ns: int, seconds: float, spin: bool
) -> BareExchange:
    """Runs the program; the bus must be free.

    Raises:
        ProgramError: it failed; the text has its output.
    """
    command = [sys.executable, "-m", "fieldstack.bench.cycle.bare_exchange", "--plan", str(plan_file)]
    command += ["--interface", interface, "--cpu", str(cpu), "--priority", str(priority)]
    command += ["--phase-ns", str(phase_ns), "--seconds", str(seconds), *(["--spin"] if spin else [])]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds + BRINGUP_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ProgramError("the bare loop", "it did not end in time", str(error.stderr or "")) from error
    if done.returncode != 0:
        raise ProgramError("the bare loop", f"it ended with code {done.returncode}", done.stderr)
    return BareExchange.from_json(done.stdout)


def measure(plan: BusPlan, interface: str, setup: LoopSetup, *, seconds: float, spin: bool) -> BareExchange:
    """Brings the bus up, runs the loop, takes the bus down. Raises BusError if bring-up fails."""
    with Bus(plan, interface) as bus:
        if spin:
            receive.spin(interface)
        bus.configure()
        loop = BareLoop(setup, seconds + BRINGUP_S, bus.soem_context(), plan.receive_timeout_us)
        realtime.freeze_collector()
        loop.start()
        try:
            bus.request_op()
            time.sleep(SETTLE_S)
            begin = loop.count
            with machine.idle_shares() as idle:
                _keep_house(bus, seconds)
            end = loop.count
            bus.states.request(AlState.SAFEOP)
        finally:
            loop.stop()
        bus.states.request(AlState.INIT)
    taken = loop.samples(begin)[: end - begin]
    answered = tuple(sample.exchange_ns for sample in taken if sample.wkc >= 0)
    late = tuple(sample.wake.late_ns for sample in taken)
    return BareExchange(answered, len(taken) - len(answered), late, idle)


def _keep_house(bus: Bus, seconds: float) -> None:
    """Does what the Python part of the RT process does in a cycle without events, at the same pace."""
    until = time.monotonic() + seconds
    next_states = 0.0
    while (now := time.monotonic()) < until:
        if now >= next_states:
            bus.read_states()
            next_states = now + CALM_PERIOD_NS / 1e9
        time.sleep(HOUSEKEEPING_S)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fieldstack.bench.cycle.bare_exchange", description=__doc__
    )
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--interface", required=True)
    parser.add_argument("--cpu", type=int, required=True)
    parser.add_argument("--priority", type=int, required=True)
    parser.add_argument("--phase-ns", type=int, default=0)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--spin", action="store_true", help="SOEM's socket never blocks, as RT sets it")
    return parser


def main() -> int:
    given = _parser().parse_args()
    realtime.lock_memory()
    plan = plan_from_json(given.plan.read_bytes())
    setup = LoopSetup(given.cpu, given.priority, plan.cycle_time_ns, given.phase_ns)
    try:
        found = measure(plan, given.interface, setup, seconds=given.seconds, spin=given.spin)
    except (BusError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(found.to_json())
    return 0


if __name__ == "__main__":
    sys.exit(main())
