"""The bus plan: what a configuration becomes, and its JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fieldstack_ethercat.bus.config import image_layout
from fieldstack_ethercat.bus.config.axis_plan import UNMAPPED
from fieldstack_ethercat.bus.config.plan import BusPlan
from fieldstack_ethercat.bus.config.plan_json import plan_from_json, plan_to_json
from fieldstack_ethercat.bus.config.planning import plan_from_file, plan_from_text
from fieldstack_ethercat.bus.errors import PlanFormatError

CONFIG = Path(__file__).parents[2] / "config" / "ethercat"


@pytest.fixture(scope="module")
def plan() -> BusPlan:
    return plan_from_file(CONFIG / "cell.yaml")


def test_offsets_scale_and_limits_of_an_axis(plan: BusPlan) -> None:
    x = plan.axes[0]
    assert (x.slave, x.mode_code, x.velocity_max_counts_s) == (0, 8, 10_000_000)
    assert (x.position_min_counts, x.position_max_counts) == (-5_000_000, 5_000_000)
    assert (x.offsets.controlword, x.offsets.mode_of_operation, x.offsets.target_position) == (0, 2, 4)
    assert (x.offsets.statusword, x.offsets.position_actual, x.offsets.error_code) == (0, 4, 14)


def test_quick_stop_deceleration_becomes_a_startup_sdo(plan: BusPlan) -> None:
    written = {sdo.index: int.from_bytes(sdo.data, "little") for sdo in plan.slave("drive-1").startup_sdos}
    assert written == {0x6085: 200_000_000}


def test_mode_is_written_by_sdo_if_it_is_not_in_the_process_image() -> None:
    text = (
        (CONFIG / "cell.yaml").read_text(encoding="utf-8").replace("{object: 0x6060, bits: 8}", "{bits: 8}")
    )
    plan = plan_from_text(text)
    assert plan.axes[0].offsets.mode_of_operation == UNMAPPED
    assert plan.slaves[0].startup_sdos[-1].data == b"\x08"


def test_safe_outputs_and_sizes(plan: BusPlan) -> None:
    assert image_layout.safe_output_image(plan) == (b"\x02\x00" + bytes(10)) * 4 + b"\x00"
    assert image_layout.output_places(plan)[1] == 49
    assert image_layout.input_places(plan)[1] == 65
    assert plan.expected_wkc == 15
    assert plan.slaves[0].watchdog.timeout_ns == 100_000_000


def test_a_drive_that_can_stop_gets_quick_stop_as_its_safe_controlword_by_default() -> None:
    text = (CONFIG / "cell.yaml").read_text(encoding="utf-8")
    default = text.replace(
        '    safe_outputs:\n      controlword: 0x0002 # CiA 402 command "quick stop"\n', ""
    )
    assert default != text
    assert plan_from_text(default).slaves[3].safe_outputs[:2] == b"\x02\x00"
    coasting = default.replace("stop_category: 1", "stop_category: 0")
    assert plan_from_text(coasting).slaves[3].safe_outputs == bytes(12)


def test_slaves_of_less_than_a_byte_share_bytes() -> None:
    places, size = image_layout.lay_out([4, 2, 4, 0, 8, 3, 12])
    assert [(place.offset, place.bit) for place in places] == [
        (0, 0),
        (0, 4),
        (0, 6),
        (1, 2),
        (2, 0),
        (3, 0),
        (4, 0),
    ]
    assert size == 6


def test_digest_is_of_the_file(plan: BusPlan) -> None:
    again = plan_from_file(CONFIG / "cell.yaml")
    other = plan_from_file(CONFIG / "drives-32.yaml")
    assert plan.digest == again.digest != other.digest
    assert plan.source == "cell.yaml"


@pytest.mark.parametrize("name", ["cell.yaml", "drives-32.yaml"])
def test_json_round_trip(name: str) -> None:
    plan = plan_from_file(CONFIG / name)
    assert plan_from_json(plan_to_json(plan)) == plan
    assert plan_from_json(plan_to_json(plan).encode()) == plan


def test_another_format_is_refused(plan: BusPlan) -> None:
    text = plan_to_json(plan).replace("fieldstack-bus-plan/3", "fieldstack-bus-plan/9")
    with pytest.raises(PlanFormatError, match="bus plan of format 'fieldstack-bus-plan/9'"):
        plan_from_json(text)


@pytest.mark.parametrize(
    "text", ["", "[]", "7", "null", "{}", '{"format": "fieldstack-bus-plan/1"}', "[" * 5000]
)
def test_what_is_not_a_plan_is_refused(text: str) -> None:
    with pytest.raises(PlanFormatError):
        plan_from_json(text)


def test_a_plan_with_a_missing_or_an_unknown_field_is_refused(plan: BusPlan) -> None:
    for change in ({"cycle_time_ns": ...}, {"surprise": 1}):
        document = json.loads(plan_to_json(plan))
        for key, value in change.items():
            document.pop(key, None)
            if value is not ...:
                document[key] = value
        with pytest.raises(PlanFormatError, match="damaged bus plan"):
            plan_from_json(json.dumps(document))


def test_loading_a_plan_needs_no_pydantic_and_no_yaml() -> None:
    code = (
        "import sys, fieldstack_ethercat.bus.config.plan_json;"
        "print([name for name in ('pydantic', 'yaml', 'hashlib', 'pysoem') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(str(CONFIG.parents[1] / part) for part in ("base", "ethercat"))},
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_expected_working_counter_follows_the_directions(plan: BusPlan) -> None:
    outputs_only = replace(plan.slaves[0], tx=())
    assert replace(plan, slaves=(outputs_only,), axes=()).expected_wkc == 2
