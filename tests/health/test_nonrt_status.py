"""What the module says of itself becomes metrics: the health server and the module agree on the words."""

from __future__ import annotations

from fieldstack.health.metrics import nonrt_status
from fieldstack.prediction.predictor import Predictor
from fieldstack.prediction.signals import Metric, Signal

SECOND = 1_000_000_000
MIB = 2**20


def test_forecasts_and_anomalies_are_metrics() -> None:
    predictor = Predictor()
    for t in range(900):
        for source, limit in (("RLIMIT_AS", 500), ("memory_limit_mb", 600)):
            value = (100 + 0.2 * t) * MIB
            predictor.feed(t * SECOND, Signal("memory", "fieldstack-core", value, limit * MIB, source, "1"))
    for count in range(60):
        value = 9e4 if count < 30 else 5e5
        predictor.feed_interval(
            count * 10 * SECOND, Signal(Metric.WAKE_TAIL, "cell", value, 1e6, "the cycle time", "1")
        )
    described = {
        "forecasts": [one.to_json(900 * SECOND) for one in predictor.forecasts()],
        "anomalies": [one.to_json() for one in predictor.anomalies()],
    }
    samples = [one for family in nonrt_status.families({"predictions": described}) for one in family.samples]
    found = {one.name: one for one in samples if "prediction" in one.name or "anomaly" in one.name}
    seconds = found["fieldstack_prediction_seconds_to_limit"]
    assert seconds.labels == {"subject": "fieldstack-core", "resource": "memory"}
    assert 1000 < seconds.value < 1200
    assert found["fieldstack_prediction_confidence"].value > 0.99
    assert found["fieldstack_anomaly_score"].labels == {"subject": "cell", "name": Metric.WAKE_TAIL}
    assert sum(one.name == "fieldstack_prediction_seconds_to_limit" for one in samples) == 1
