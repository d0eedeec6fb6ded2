"""What `/metrics` says, one file a concept; names end in their unit, counters in `_total`."""

from fieldstack.health.metrics.render import Metrics

__all__ = ["Metrics"]
