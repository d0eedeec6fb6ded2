"""The policy in force: plain rows in nanoseconds, what the decision reads of them, and arithmetic on them.

No pydantic here: a restarted Non-RT process takes the compiled form from a file.
"""
