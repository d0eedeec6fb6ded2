"""Entry point of `fieldstack`: a Ctrl-C while the commands are still being loaded ends it without a word."""

from __future__ import annotations

import signal


def fieldstack() -> None:
    """The console script. Loading takes some 0.2 s, in which nothing has begun that had to be undone."""
    usual = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from fieldstack.cli.main import main

    signal.signal(signal.SIGINT, usual)
    main()
