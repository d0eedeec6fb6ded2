"""The base of all parts of a policy, and the kinds of numbers that they share.

Used by `schema`, `rules` and `processes`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fieldstack_base.section import Section

Milliseconds = Annotated[int, Field(ge=0, le=3_600_000)]
LONGEST_RESUME_MS = 60_000
"""After a longer stand nobody expects the machine to move by itself."""
ResumeWithin = Annotated[
    int,
    Field(
        ge=0,
        le=LONGEST_RESUME_MS,
        description="motion resumes by itself if the axes stood for less; 0: it waits for a start",
    ),
]


class PolicyModel(Section):
    """The base of all sections; `_comments` may be in every object."""

    comments: str | list[str] | None = Field(default=None, alias="_comments", description="for readers only")
