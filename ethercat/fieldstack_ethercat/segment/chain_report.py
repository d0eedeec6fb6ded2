"""Reports what really happened in a chain, for tests and benches: `chain.report`. Records: `truth.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fieldstack_ethercat.segment._native import ffi, lib
from fieldstack_ethercat.segment.catalogue import Device
from fieldstack_ethercat.segment.description.errors import check
from fieldstack_ethercat.segment.truth import (
    EventKind,
    MotionSample,
    SegmentStatistics,
    SlaveEvent,
    SlaveTruth,
)

_RECORDS = 8192
_FIFO, _PINNED, _LOCKED = 1, 2, 4


class ChainReport:
    """Slaves, events, motion and statistics; `segment` is the native one, of these devices."""

    def __init__(self, segment: Any, devices: Sequence[Device]) -> None:
        self._segment, self._devices = segment, devices

    def truth(self, slave: int) -> SlaveTruth:
        """A slave as it really is."""
        native = ffi.new("fs_truth *")
        check("truth", lib.fs_segment_truth(self._segment, slave, native))
        names = SlaveTruth.__dataclass_fields__.keys() - {"position_in_chain", "device", "outputs"}
        values = {name: getattr(native, name) for name in names}
        for name in ("powered", "reached", "outputs_valid", "safe"):
            values[name] = bool(values[name])
        outputs = bytes(ffi.buffer(native.outputs, native.output_bytes))
        return SlaveTruth(
            position_in_chain=slave, device=self._devices[slave].value.name, outputs=outputs, **values
        )

    def events(self, slave: int, since: int = 0) -> list[SlaveEvent]:
        """Events after sequence number `since`, oldest first."""
        native = ffi.new("fs_event[]", _RECORDS)
        count = check("events", lib.fs_segment_events(self._segment, slave, since, native, _RECORDS))
        return [SlaveEvent(e.sequence, e.t_ns, EventKind(e.kind), e.a, e.b) for e in native[0:count]]

    def trace(self, slave: int, since: int = 0) -> list[MotionSample]:
        """Motion samples after sequence number `since`, oldest first, one a millisecond, of the last 8 s."""
        native = ffi.new("fs_motion_sample[]", _RECORDS)
        count = check("trace", lib.fs_segment_trace(self._segment, slave, since, native, _RECORDS))
        return [
            MotionSample(s.sequence, s.t_ns, s.position, s.velocity, s.statusword) for s in native[0:count]
        ]

    def statistics(self) -> SegmentStatistics:
        """The frame thread's counters."""
        native = ffi.new("fs_statistics *")
        check("statistics", lib.fs_segment_statistics(self._segment, native))
        computed = {"slaves", "processing_histogram", "fifo", "pinned", "locked"}
        names = SegmentStatistics.__dataclass_fields__.keys() - computed
        return SegmentStatistics(
            slaves=len(self._devices),
            processing_histogram=tuple(native.processing_histogram),
            fifo=bool(native.realtime & _FIFO),
            pinned=bool(native.realtime & _PINNED),
            locked=bool(native.realtime & _LOCKED),
            **{name: getattr(native, name) for name in names},
        )
