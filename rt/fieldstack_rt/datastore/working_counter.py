"""Whether the working counter is good: RT judges it, and all who ask take that."""

from __future__ import annotations

from typing import Any

from fieldstack_rt.datastore.layout import WkcVerdict

_GOOD = frozenset({WkcVerdict.WHOLE, WkcVerdict.EXCUSED})


def counter_is_good(status: Any) -> bool:
    """Whether RT found the working counter of an `fs_rt_status` whole, or explained by told losses.

    A counter that is not judged, or in a word that this version does not know, is not good."""
    return int(status.wkc_verdict) in _GOOD and not int(status.bad_wkc_row)
