"""Entry point of `fieldstack`: Ctrl-C ends it silently while its commands are still being loaded.

The console script calls it; the commands themselves are put together in main.py.
"""

from __future__ import annotations

import signal


def fieldstack() -> None:
    """The console script. Loading takes some 0.2 s; nothing that must be undone has begun by then."""
    usual = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from fieldstack.cli.main import main

    signal.signal(signal.SIGINT, usual)
    main()
