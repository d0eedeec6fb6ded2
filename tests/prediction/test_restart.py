"""RESTART_MODULE of prediction: what hangs is replaced, and counts as restarted only once it is at work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from fieldstack.ha.model.actions import Action, ActionKind
from fieldstack.ha.model.outcome import Outcome, PendingReadback
from fieldstack.ha.modules.module import STARTING
from fieldstack.ha.modules.modules import Modules
from fieldstack.ha.modules.thread_module import ThreadModule
from fieldstack.ha.monitor.liveness import LivenessRule
from fieldstack.ha.probes import resources
from fieldstack.ha.probes.resources import ResourceSampler, cell_pids
from fieldstack.nonrt import prediction_service
from fieldstack.nonrt.prediction_service import BeatWatch, PredictionService
from fieldstack.nonrt.settings import NonRtSettings
from fieldstack.prediction import module
from fieldstack_rt.datastore import DataStore

MS = 1_000_000
RESTART = Action(ActionKind.RESTART_MODULE, "module-dead", "test", "module:prediction", id=1)


class Reads:
    """Stands between the sampler and the processes: it can hang, for each thread that asks then."""

    def __init__(self) -> None:
        self.hangs = self.fails = self.making_hangs = False
        self.done = 0
        self.released = threading.Event()

    def sampler(
        self, pids: Callable[[], Mapping[str, int]], state_dir: Path, limits: Mapping[str, int] | None
    ) -> ResourceSampler:
        if self.making_hangs:
            self.released.wait(30)
        return ResourceSampler(pids, state_dir, limits, period_s=0.02)

    def pids(self, store: DataStore) -> Mapping[str, int]:
        if self.fails:
            raise ValueError("no such sensor")
        if self.hangs:
            self.released.wait(30)
        self.done += 1
        return cell_pids(store)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reads]:
    """And everything some ten times as fast."""
    made = Reads()
    monkeypatch.setattr(resources, "cell_pids", made.pids)
    monkeypatch.setattr(resources, "ResourceSampler", made.sampler)
    monkeypatch.setattr(prediction_service, "LIVENESS", LivenessRule.by_time(300 * MS, 0))
    monkeypatch.setattr(prediction_service, "SAMPLER_STOP_S", 0.2)
    monkeypatch.setattr(module, "TICK_S", 0.02)
    yield made
    made.released.set()


@pytest.fixture
def modules(bare_store: DataStore, reads: Reads) -> Iterator[Modules]:  # noqa: ARG001 - comes before
    settings = NonRtSettings(bare_store.instance.name, "", ())
    service = PredictionService(settings, bare_store.instance, bare_store)
    made = Modules((ThreadModule("prediction", service.begin),))
    made.start()
    yield made
    made.close()


def trouble(modules: Modules) -> str:
    return str(modules.describe()["module:prediction"]["trouble"])


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def threads(name: str) -> int:
    return sum(one.name == name for one in threading.enumerate())


def confirmed(modules: Modules, passes: int = 4000, step_ms: int = 5) -> Outcome | str:
    """What becomes of a restart within so many passes, for which time passes by that step."""
    carried = modules.execute(RESTART)
    assert isinstance(carried, PendingReadback)
    found: Outcome | str = ""
    for number in range(passes):
        found = carried.poll(number * step_ms * MS)
        if isinstance(found, Outcome):
            break
        time.sleep(0.005)
    return found


def test_a_sampler_that_hangs_is_replaced(modules: Modules, reads: Reads) -> None:
    wait_for(lambda: trouble(modules) == "")
    reads.hangs = True
    wait_for(lambda: "the resource sampler: no progress" in trouble(modules))
    reads.hangs = False  # the thread that hung goes on hanging
    done = reads.done
    assert confirmed(modules) == Outcome(True, "at work, start 2")
    wait_for(lambda: reads.done > done)


def test_what_hangs_again_is_never_confirmed(modules: Modules, reads: Reads) -> None:
    wait_for(lambda: trouble(modules) == "")
    reads.hangs = True
    assert not isinstance(confirmed(modules, passes=60, step_ms=20), Outcome)


def test_a_sampler_that_fails_says_why_and_is_replaced(modules: Modules, reads: Reads) -> None:
    wait_for(lambda: trouble(modules) == "")
    reads.fails = True
    wait_for(lambda: trouble(modules) == "the resource sampler: ValueError: no such sensor")
    reads.fails = False
    assert confirmed(modules) == Outcome(True, "at work, start 2")


def test_a_start_that_was_overtaken_by_the_next_one_starts_nothing(modules: Modules, reads: Reads) -> None:
    wait_for(lambda: trouble(modules) == "")
    reads.making_hangs = True
    assert confirmed(modules, passes=60, step_ms=20) == STARTING
    reads.making_hangs = False
    assert confirmed(modules) == Outcome(True, "at work, start 3")
    reads.released.set()
    wait_for(lambda: threads("start-prediction") == 0)
    wait_for(lambda: threads("resources") == 1 and trouble(modules) == "")


def test_a_thread_that_has_not_moved_since_its_start_is_starting() -> None:
    watch = BeatWatch(7)
    assert watch.trouble(7) == STARTING
    assert watch.trouble(8) == ""
    assert watch.trouble(8) == ""
