"""The executor and its parts: who has which axis group, what is played, jogs, calls, refusals."""
