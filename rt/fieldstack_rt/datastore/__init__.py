"""The shared memory as Python sees it; its contract is native/layout.h."""

from fieldstack_rt.datastore.errors import (
    ForeignMasterError,
    LayoutMismatchError,
    RtInTheWayError,
    StoreBusyError,
    StoreError,
    StoreForbiddenError,
    StoreLostError,
    StoreMissingError,
    TornRecordError,
)
from fieldstack_rt.datastore.estop import Clear, Estop, EstopNote, EstopState
from fieldstack_rt.datastore.layout import (
    AgentReaction,
    BusCommandKind,
    EstopSource,
    EventCode,
    PeerView,
    StartKind,
)
from fieldstack_rt.datastore.rings import EventRing, RtEvent, SetpointRing
from fieldstack_rt.datastore.store import DataStore
from fieldstack_rt.datastore.working_counter import counter_is_good

__all__ = [
    "AgentReaction",
    "BusCommandKind",
    "Clear",
    "DataStore",
    "Estop",
    "EstopNote",
    "EstopSource",
    "EstopState",
    "EventCode",
    "EventRing",
    "ForeignMasterError",
    "LayoutMismatchError",
    "PeerView",
    "RtEvent",
    "RtInTheWayError",
    "SetpointRing",
    "StartKind",
    "StoreBusyError",
    "StoreError",
    "StoreForbiddenError",
    "StoreLostError",
    "StoreMissingError",
    "TornRecordError",
    "counter_is_good",
]
