"""Says whether the working counter is good: RT judges it, and everybody uses RT's verdict.

Housekeeping and `fieldstack status` ask it.
"""

from __future__ import annotations

from typing import Any

from fieldstack_rt.datastore.layout import WkcVerdict

_GOOD = frozenset({WkcVerdict.WHOLE, WkcVerdict.EXCUSED})


def counter_is_good(status: Any) -> bool:
    """Whether RT found the working counter of an `fs_rt_status` complete, or explained by reported losses. A
    counter that was not judged, or whose verdict this version does not know, is not good."""
    return int(status.wkc_verdict) in _GOOD and not int(status.bad_wkc_row)
