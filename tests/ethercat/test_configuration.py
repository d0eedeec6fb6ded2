"""Bus configuration: what it accepts, and that everything else is a ConfigurationError that says enough."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstack_base.configuration_error import ConfigurationError
from fieldstack_ethercat.bus.config.loading import load_data, load_file, load_text
from fieldstack_ethercat.bus.config.planning import plan_from_text
from fieldstack_ethercat.bus.config.schema import schema_text

CONFIG = Path(__file__).parents[2] / "config" / "ethercat"
CELL = (CONFIG / "cell.yaml").read_text(encoding="utf-8")


def refused(text: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load_text(text, "bus.yaml")
    return caught.value


def changed(old: str, new: str) -> ConfigurationError:
    assert old in CELL
    return refused(CELL.replace(old, new, 1))


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_configurations_are_valid_and_name_their_schema(path: Path) -> None:
    config = load_file(path).config
    assert config.slaves
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=bus.schema.json\n")


def test_committed_schema_is_current() -> None:
    committed = (CONFIG / "bus.schema.json").read_text(encoding="utf-8")
    assert committed == schema_text(), "publish it again: make generate"


def test_value_out_of_bounds_names_file_line_key_value_and_bound() -> None:
    error = changed("cycle_time_us: 1000", "cycle_time_us: 100")
    assert (error.file, error.line, error.key, error.value) == ("bus.yaml", 3, "cycle_time_us", "100")
    assert "greater than or equal to 250" in str(error)


def test_unknown_key_suggests_the_right_one() -> None:
    error = changed("watchdog_ms: 100", "watchdog: 100")
    assert error.key == "watchdog"
    assert "Did you mean 'watchdog_ms'?" in error.hint


def test_misspelt_key_deep_in_the_document_lists_the_keys_of_its_own_section() -> None:
    error = changed("{object: 0x7000, sub: 3,", "{object: 0x7000, subindex: 3,")
    assert error.key == "slaves[4].pdos.rx[0].entries[2].subindex"
    assert "Did you mean 'sub'?" in error.hint
    assert error.line > 40


def test_every_problem_is_reported_at_once() -> None:
    error = refused(CELL.replace("cycle_time_us: 1000", "cycle_time_us: 1").replace("unit: mm", "unit: 5"))
    assert {issue.key for issue in error.issues} == {
        "cycle_time_us",
        *(f"axes[{at}].unit" for at in range(3)),
    }


def test_duplicate_key_is_an_error_with_both_lines() -> None:
    error = changed("watchdog_ms: 100", "watchdog_ms: 100\nwatchdog_ms: 200")
    assert error.line == 5
    assert "appears twice, first in line 4" in error.problem


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("name: drive-2", "name: drive-1", "slaves[1].name", "same name as slaves[0]"),
        ("name: y\n", "name: x\n", "axes[1].name", "same name as axes[0]"),
        ("slave: drive-2", "slave: drive-1", "axes[1].slave", "already driven as axes[0]"),
        ("slave: drive-2", "slave: drive-9", "axes[1].slave", "no slave has that name"),
        ("slave: drive-2", "slave: dio", "axes[1].slave", "is not a drive"),
        ("watchdog_ms: 100", "watchdog_ms: 2", "watchdog_ms", "shorter than 3 cycles"),
        ("name: dio", "name: dio\n    watchdog_ms: 2", "slaves[4].watchdog_ms", "shorter than 3 cycles"),
        (
            "lost_cycles_limit: 20",
            "lost_cycles_limit: 100",
            "lost_cycles_limit",
            "as long as the watchdog of",
        ),
        ("watchdog_ms: 100", "receive_timeout_us: 2000", "receive_timeout_us", "longer than the cycle"),
        ("controlword: 0x0002", "control: 0x0002", "slaves[0].safe_outputs.control", "no RxPDO entry"),
        ("controlword: 0x0002", "controlword: 0x10000", "slaves[0].safe_outputs.controlword", "16 bits"),
        ("stop_category: 0", "stop_category: 1", "slaves[4].stop_category", "controlled stop"),
        ("stop_category: 0", "stop_category: true", "slaves[4].stop_category", "valid integer"),
        (
            "sub: 3, bits: 1, name: out-3",
            "sub: 2, bits: 1, name: o",
            "slaves[4].pdos.rx[0].entries[2].object",
            "twice",
        ),
        ("name: out-3", "name: out-2", "slaves[4].pdos.rx[0].entries[2].name", "name used twice"),
        ("{object: 0x60FF, bits: 32}", "{object: 0x607B, sub: 1, bits: 32}", "", ""),
        ("{object: 0x607A, bits: 32}", "{bits: 32}", "axes[0].slave", "csp needs target_position (0x607A)"),
        ("{object: 0x6040, bits: 16}", "{object: 0x6040, bits: 12}", "axes[0].slave", "an axis needs 16"),
        ("position_min: -500", "position_min: 500", "axes[0].position_min", "not below position_max"),
        ("velocity_max: 1000", "velocity_max: 1000000", "axes[0].velocity_max", "more than 32 bits hold"),
        ("velocity_max: 1000", "velocity_max: 0.00001", "axes[0].velocity_max", "less than one count"),
        ("velocity_max: 1000", "velocity_max: .inf", "axes[0].velocity_max", "finite"),
        ("pdo: 0x1600", "pdo: 0x1A00", "slaves[0].pdos.rx[0].pdo", "less than or equal to 6143"),
        ("vendor: 0x00000F5D", 'vendor: "0xF5D"', "slaves[0].vendor", "valid integer"),
        ("name: dio", "name: on", "slaves[4].name", "valid string"),
    ],
)
def test_contradictions(old: str, new: str, key: str, says: str) -> None:
    if not key:
        load_text(CELL.replace(old, new, 1))
        return
    error = changed(old, new)
    assert key in [issue.key for issue in error.issues]
    found = next(issue for issue in error.issues if issue.key == key)
    assert says in found.problem
    assert found.line > 0


SDO = "name: dio\n    startup_sdos:\n      - {object: 0x2000, type: %s}\n"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ("u8, value: 256", "from 0 to 255"),
        ("i8, value: 128", "from -128 to 127"),
        ("u16, value: '12'", "takes a number"),
        ("bytes, value: 12", "string of hex digits"),
        ("bytes, value: 'xy'", "hexadecimal"),
        ("bytes, value: ''", "between 1 and 1024 bytes"),
        ("u8, value: 1, complete_access: true", "complete access"),
    ],
)
def test_startup_sdo_values(fields: str, says: str) -> None:
    assert says in changed("name: dio\n", SDO % fields).problem


def test_startup_sdo_that_the_configuration_writes_itself() -> None:
    mapping = changed("name: dio\n", SDO.replace("0x2000", "0x1C12") % "u8, value: 0")
    assert "written from `pdos`" in mapping.problem
    twice = CELL.replace(
        "device: cia402", "device: cia402\n    startup_sdos: [{object: 0x6085, type: u32, value: 1}]"
    )
    assert "also written by a start-up SDO of drive-1" in str(refused(twice))


def test_too_many_slaves_and_too_large_an_image() -> None:
    one = {"vendor": 1, "product": 2}
    many = {"slaves": [{**one, "name": f"s{at}"} for at in range(200)]}
    with pytest.raises(ConfigurationError, match="at most 199"):
        load_data(many)
    pdos = {"rx": [{"pdo": 0x1600, "entries": [{"bits": 255}] * 200}]}
    large = {"slaves": [{**one, "name": "s", "pdos": pdos}]}
    with pytest.raises(ConfigurationError, match="process image larger than 4096 bytes"):
        load_data(large)


def test_more_axes_than_the_shared_memory_holds() -> None:
    axis = yaml.safe_load(CELL)["axes"][0]
    axes = [axis | {"name": f"a{number}"} for number in range(65)]
    error = refused(yaml.safe_dump(yaml.safe_load(CELL) | {"axes": axes, "groups": []}))
    assert "axes" in {issue.key for issue in error.issues}
    assert "at most 64" in str(error)


def test_unreadable_files() -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load_file("/nonexistent/bus.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load_file("/")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- 1",
        "a: *b",
        "&a [*a]",
        "&a {a: *a}",
        "{? {a: 1} : 2}",
        "a: 2020-13-45",
        "a: !!python/object:os.system x",
        "\x00",
        "[" * 3000,
        "a: &a [1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
        "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
        "f: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]",
        f"cycle_time_us: {'9' * 5000}",
        "slaves: {<<: 3}",
        "<<: [1, 2]",
    ],
)
def test_hostile_text(text: str) -> None:
    refused(text)


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=4)
)
KEYS = st.sampled_from(
    [
        "slaves",
        "axes",
        "name",
        "vendor",
        "product",
        "pdos",
        "rx",
        "tx",
        "entries",
        "bits",
        "object",
        "pdo",
        "<<",
    ]
)
GARBAGE: st.SearchStrategy[Any] = st.recursive(
    SCALARS | st.dates(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | SCALARS, inner, max_size=5),
    max_leaves=20,
)


@given(GARBAGE)
@settings(max_examples=120, deadline=None)
def test_any_yaml_gives_a_configuration_error_and_nothing_else(garbage: Any) -> None:
    refused(yaml.safe_dump(garbage, allow_unicode=True))


@given(st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text_gives_a_configuration_error_and_nothing_else(text: str) -> None:
    refused(text)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deep for key, item in below for deep in paths(item, (*path, key)))]


PLAIN_CELL = yaml.safe_load(CELL)


@given(st.sampled_from(paths(PLAIN_CELL)[1:]), GARBAGE)
@settings(max_examples=120, deadline=None)
def test_one_wrong_value_in_a_good_file_gives_a_plan_or_a_configuration_error(
    path: tuple[Any, ...], garbage: Any
) -> None:
    document = yaml.safe_load(yaml.safe_dump(PLAIN_CELL))
    place = document
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = garbage
    with contextlib.suppress(ConfigurationError):
        plan_from_text(yaml.safe_dump(document, allow_unicode=True))
