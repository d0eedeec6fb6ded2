"""The dashboard and the alert rules ask only for metrics that a real server has."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from fieldstack.ha.monitor.log_histogram import LogHistogram
from fieldstack.ha.monitor.process_history import History
from fieldstack.health.metrics import history, nonrt_status
from fieldstack.health.metrics.histograms import EDGES_NS, cumulative
from fieldstack_base.instance import Instance
from fieldstack_rt._native import lib
from fieldstack_rt.datastore import DataStore
from tests.health.promql import metrics_in
from tests.health.serving import Pulse, Served, serving, wait_for

MONITORING = Path(__file__).resolve().parents[2] / "config/monitoring"
PROMETHEUS_OWN = {"up"}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "alert_rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((MONITORING / "grafana_dashboard.json").read_text())["panels"]
    return found


EXPRESSIONS = [(rule["alert"], rule["expr"]) for rule in rules()] + [
    (panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("monitoring")
        patch.setenv("FIELDSTACK_RUNTIME_DIR", str(folder / "run"))
        patch.setenv("FIELDSTACK_STATE_DIR", str(folder / "state"))
        instance = Instance(f"m{folder.stat().st_ino % 10**9}")
        instance.prepare()
        store = DataStore.create(instance)
        with Pulse(store), serving(instance) as served:
            wait_for(lambda: served.get("/readyz").code == 200, "ready")
            yield served
        store.unlink()


@pytest.fixture(scope="module")
def names(served: Served) -> set[str]:
    """Every series name that the server's families may have."""
    found = set[str]()
    for line in served.get("/metrics").text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            found.add(name)
            if kind == "histogram":
                found |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    return found


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS, ids=[where for where, _ in EXPRESSIONS])
def test_every_metric_that_is_asked_for_exists(where: str, expression: str, names: set[str]) -> None:
    asked = metrics_in(expression)
    assert asked, where
    assert asked - names - PROMETHEUS_OWN == set()


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("a_total", {"a_total"}),
        ('sum by (x, le) (rate(a_bucket{l="b", m=~"c{2}"}[5m])) > on(x) 0.25 * b', {"a_bucket", "b"}),
        ("a != b and on(instance) c{p='q'} == 1", {"a", "b", "c"}),
        ("histogram_quantile(0.9, a offset 5m)", {"a"}),
        ("increase(a[$__rate_interval]) > 1e3", {"a"}),
    ],
)
def test_names_are_found_in_expressions(expression: str, names: set[str]) -> None:
    assert metrics_in(expression) == names


def test_each_rule_says_what_and_what_to_do() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
    assert len({rule["alert"] for rule in rules()}) == len(rules())


def test_promtool_accepts_the_rules() -> None:
    """Debian's package `prometheus` has it; without it this is left to whoever has."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run(
        [promtool, "check", "rules", str(MONITORING / "alert_rules.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_output_is_what_prometheus_reads(served: Served) -> None:
    families = {one.name: one for one in text_string_to_metric_families(served.get("/metrics").text)}
    state = {s.labels["state"]: s.value for s in families["fieldstack_ha_state"].samples}
    assert state["OPERATIONAL"] == 1.0
    assert sum(state.values()) == 1.0
    assert families["fieldstack_wkc"].samples[0].value == 6.0
    wake = {s.labels.get("le"): s.value for s in families["fieldstack_cycle_wake_seconds"].samples}
    assert "0.001024" in wake
    assert wake["+Inf"] == 0.0
    assert {s.labels["slave"] for s in families["fieldstack_slave_operational"].samples} == {"0", "1"}
    assert families["fieldstack_endpoint_ok"].samples[0].value in {0.0, 1.0}


def test_native_buckets_are_counted_without_an_estimate() -> None:
    """Each value is counted in exactly those buckets whose edge is above it."""
    size = 1664
    counts = [0] * size
    values = [64, 999, 1001, 1999, 5000, 70_000, 10**6, 10**9, 2**30]
    for value in values:
        place = next(n for n in range(size) if lib.fs_histogram_edge(n + 1) > value)
        counts[place] += 1
    assert cumulative(counts) == tuple(sum(value < edge for value in values) for edge in EDGES_NS)


def test_the_process_history_becomes_histograms() -> None:
    histogram = LogHistogram()
    for value in (0.2, 3.0, 7.0, 90_000.0):
        histogram.add(value)
    told_history = {
        "processes": {"fieldstack-rt": {"detection_ms": histogram.to_dict(), "detections": {"dead": 4}}}
    }
    families = {one.name: one for one in history.families(told_history)}
    samples = families["fieldstack_detection_seconds"].samples
    below = {s.labels["le"]: s.value for s in samples if s.name.endswith("_bucket")}
    assert (below["0.0002"], below["0.005"], below["0.01"], below["+Inf"]) == (1.0, 2.0, 3.0, 4.0)
    total = next(s.value for s in samples if s.name.endswith("_sum"))
    assert math.isclose(total, 90.0102)
    assert families["fieldstack_beat_misses"].samples == []
    assert families["fieldstack_detections"].samples[0].labels == {
        "process": "fieldstack-rt",
        "condition": "dead",
    }


def test_misses_are_counted_and_not_timed() -> None:
    kept = History()
    for observations in (1, 1, 4, 3000):
        kept.missed("fieldstack-core", observations, 100_000_000 * observations)
    (family,) = (one for one in history.families(kept.to_dict()) if one.name == "fieldstack_beat_misses")
    found = {s.labels.get("le", s.name.rsplit("_", 1)[1]): s.value for s in family.samples}
    assert (found["1"], found["3"], found["5"], found["1000"], found["+Inf"]) == (2, 2, 3, 3, 4)
    assert (found["sum"], found["count"]) == (3006, 4)


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"history": None, "alerts": 3, "budgets": [], "predictions": "x", "rules": None, "modules": 1},
        {
            "history": {"processes": {"a": {"detection_ms": {"buckets": [[3, -1]]}}}},
            "alerts": {"channels": []},
        },
    ],
)
def test_an_account_of_another_version_has_no_series(status: dict[str, Any]) -> None:
    assert all(one.samples == [] for one in nonrt_status.families(status))
