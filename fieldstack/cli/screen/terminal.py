"""The terminal that commands write to. It prints text unchanged: nothing is interpreted as markup.

Commands that print tables or coloured lines use it.
"""

from __future__ import annotations

from rich.console import Console


def terminal(width: int | None = None) -> Console:
    """`width` in columns; None: the terminal's own.

    Names of axes and rules, and people's notes, are printed as they are: rich would take `axis:x:` for an
    emoji, and a rule in brackets for markup.
    """
    return Console(width=width, markup=False, emoji=False)
