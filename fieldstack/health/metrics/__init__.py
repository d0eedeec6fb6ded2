"""What `/metrics` says, one file a concept. Names end in their unit, those of counters in `_total`.

render.py puts them together; the server answers with it.
"""

from fieldstack.health.metrics.render import Metrics

__all__ = ["Metrics"]
