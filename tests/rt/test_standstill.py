"""One axis that must stop: what counts as standing, what as running on, and each rung in its time."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from fieldstack_rt._native import ffi, lib
from fieldstack_rt.datastore.layout import AxisMode, Rung, Stand, Stop

DT = 0.001
ENABLED, QUICK_STOP_ACTIVE, SWITCH_ON_DISABLED = 0x27, 0x07, 0x40
MARGIN_MS, RUNG_MS, DECELERATION = 100, 50, 1_000_000.0
NEWS_IGNORES, NEWS_RUNG = 1, 2
LADDER = (Rung.QUICK_STOP, Rung.BRAKE, Rung.DISABLE_VOLTAGE, Rung.SAFE_OUTPUTS, Rung.END_RT)


class Bench:
    """An axis whose drive does what the test says; `run` gives the news of each cycle with its number."""

    def __init__(self, *, brake: int = -1, velocity_offset: int = 8) -> None:
        self.axis, self.driven = ffi.new("fs_standstill *"), ffi.new("fs_axis *")
        self.config = ffi.new("fs_axis_config *")
        config = self.config
        config.velocity, config.position, config.brake = velocity_offset, 4, brake
        config.velocity_max, config.deceleration = 1_000_000.0, DECELERATION
        config.stop_margin_ns, config.rung_ns = MARGIN_MS * 10**6, RUNG_MS * 10**6
        config.stale_limit, config.rungs, config.stop_category = 3, len(LADDER), 1
        for place, rung in enumerate(LADDER):
            config.ladder[place] = rung
        self.state: Any = self.driven.state
        self.position, self.speed, self.fresh, self.resets, self.cycle = 0.0, 0.0, True, 0, 0
        self.shown: float | None = None
        """What 0x606C says, if it is not the truth."""
        self.drive(ENABLED, 0x0F, AxisMode.FOLLOWING)

    def drive(self, status: int, word: int, mode: AxisMode = AxisMode.QUICK_STOP) -> None:
        self.state.statusword, self.state.controlword, self.state.state = status, word, mode

    def run(self, ms: int, stop: Stop = Stop.ESTOP) -> list[tuple[int, int]]:
        news = []
        for _ in range(ms):
            self.cycle += 1
            self.position += self.speed * DT
            self.state.position = round(self.position)
            self.state.velocity = round(self.speed if self.shown is None else self.shown)
            lib.fs_standstill_see(self.axis, self.config, ffi.addressof(self.driven, "state"), self.fresh, DT)
            found = lib.fs_standstill_judge(self.axis, self.config, self.driven, stop, self.resets, DT)
            if found:
                news.append((self.cycle, int(found)))
        return news

    @property
    def stand(self) -> Stand:
        return Stand(self.axis.stand)

    @property
    def rung(self) -> Rung:
        return Rung(lib.fs_standstill_rung(self.axis, self.config))


def moving(speed: float = 200_000, **options: Any) -> Bench:
    bench = Bench(**options)
    bench.speed = speed
    bench.run(20, Stop.NONE)
    return bench


def test_an_axis_stands_after_ten_milliseconds_at_rest() -> None:
    bench = moving()
    assert bench.stand is Stand.MOVING
    bench.speed = 0
    bench.run(9)
    assert bench.stand is Stand.MOVING
    bench.run(2)
    assert bench.stand is Stand.STANDING


@pytest.mark.parametrize("shown", [0.0, 200_000.0])
def test_one_of_two_values_is_enough_to_show_motion(shown: float) -> None:
    bench = Bench()
    bench.run(500)
    assert bench.stand is Stand.STANDING
    bench.shown, bench.speed = shown, 0.0 if shown else 200_000
    bench.run(30)
    assert bench.stand is Stand.MOVING


def test_without_0x606c_the_encoder_tells() -> None:
    bench = moving(velocity_offset=-1)
    assert bench.stand is Stand.MOVING
    bench.speed = 0
    bench.run(20)
    assert bench.stand is Stand.STANDING


def test_inputs_that_do_not_come_tell_nothing() -> None:
    bench = Bench()
    bench.run(20)
    bench.fresh = False
    bench.run(3)
    assert bench.stand is Stand.STANDING, "a lost frame or two"
    bench.run(2)
    assert bench.stand is Stand.UNKNOWN
    assert bench.run(1000) == [], "no evidence against it, either"


def test_the_bound_is_the_ramp_and_the_margin() -> None:
    bench = moving(200_000)
    bench.drive(QUICK_STOP_ACTIVE, 0x02)
    assert [news for at, news in bench.run(MARGIN_MS + 200)] == []
    first = bench.run(5)
    assert [news for _, news in first] == [NEWS_RUNG]
    assert bench.rung is Rung.DISABLE_VOLTAGE, "an emergency stop is a quick stop already; there is no brake"


def test_each_rung_has_its_time_and_stays_in_force() -> None:
    bench = moving(brake=0)
    bench.drive(ENABLED, 0x0F, AxisMode.RAMPING)
    news = [at for at, what in bench.run(2000, Stop.PERMIT) if what == NEWS_RUNG]
    assert [b - a for a, b in itertools.pairwise(news)] == [pytest.approx(RUNG_MS, abs=1)] * 4
    assert bench.rung is Rung.END_RT
    assert bench.axis.forced == sum(1 << rung for rung in LADDER)


def test_a_motor_that_coasts_and_gets_slower_is_waited_for() -> None:
    bench = moving()
    bench.drive(SWITCH_ON_DISABLED, 0x00, AxisMode.FOLLOWING)
    news = []
    while bench.speed > 0:
        news += bench.run(10)
        bench.speed -= 2000
    assert [what for _, what in news] == [NEWS_RUNG], "told once, though nothing more can be done"
    bench.run(20)
    assert bench.stand is Stand.STANDING


def test_a_motor_that_coasts_is_waited_for_though_late_cycles_show_other_speeds() -> None:
    bench = moving()
    bench.drive(SWITCH_ON_DISABLED, 0x00, AxisMode.FOLLOWING)
    news, truth, late = [], bench.speed, random.Random(1)
    for _ in range(10 * RUNG_MS):
        bench.speed = round(truth * late.choice((0.9, 1.1)))
        news += bench.run(1)
        truth *= 0.9991
    assert [what for _, what in news] == [NEWS_RUNG]


def test_without_power_and_no_slower_the_ladder_goes_on() -> None:
    bench = moving()
    bench.drive(SWITCH_ON_DISABLED, 0x00, AxisMode.FOLLOWING)
    bench.run(1000)
    assert bench.rung is Rung.END_RT


def test_an_axis_without_power_may_be_moved_by_hand() -> None:
    bench = Bench()
    bench.drive(SWITCH_ON_DISABLED, 0x00, AxisMode.DISABLED)
    bench.run(50)
    bench.speed = 100_000
    assert bench.run(3000) == []
    assert bench.stand is Stand.MOVING


def test_what_moves_again_under_power_is_bounded_anew() -> None:
    bench = Bench()
    bench.drive(QUICK_STOP_ACTIVE, 0x02)
    bench.run(500)
    bench.speed = 20_000
    news = bench.run(MARGIN_MS + 30)
    assert [what for _, what in news] == [NEWS_RUNG]
    assert news[0][0] - 500 == pytest.approx(MARGIN_MS, abs=5)


def test_operation_enabled_and_motion_in_an_emergency_stop_are_told_at_once() -> None:
    bench = moving()
    bench.drive(ENABLED, 0x02)
    news = bench.run(70)
    assert [what for _, what in news] == [NEWS_IGNORES]
    assert news[0][0] - 20 == pytest.approx(50, abs=3)
    assert lib.fs_standstill_runs_on(bench.axis)


def test_power_that_is_not_given_up_is_a_failure_even_at_rest() -> None:
    bench = Bench()
    bench.drive(ENABLED, 0x02)
    assert [what for _, what in bench.run(MARGIN_MS + 5)] == [NEWS_RUNG]
    assert bench.rung is Rung.DISABLE_VOLTAGE


def test_only_a_reset_that_finds_it_standing_releases_it() -> None:
    bench = moving()
    bench.drive(QUICK_STOP_ACTIVE, 0x02)
    bench.run(400)
    assert bench.rung is not Rung.NONE
    bench.resets += 1
    bench.run(1)
    assert bench.rung is not Rung.NONE, "it moves"
    bench.drive(SWITCH_ON_DISABLED, 0x00)
    bench.speed = 0
    bench.run(20, Stop.NONE)
    assert bench.rung is not Rung.NONE, "nobody has looked since"
    bench.resets += 1
    bench.run(1)
    assert bench.rung is Rung.NONE
    assert not lib.fs_standstill_runs_on(bench.axis)
