"""The dashboard's words."""

from __future__ import annotations

from fieldstack.cli.dashboard import STOP_TEXT
from fieldstack_rt.datastore.layout import Stop


def test_every_reason_to_stand_has_words() -> None:
    assert set(STOP_TEXT) == {stop.name for stop in Stop}
