"""The tests: a folder a room, with its helpers beside them, imported as `tests.ROOM.HELPER` (README.md)."""
