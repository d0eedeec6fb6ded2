"""The HTTP side of the health server: routes, verdicts as text, commands with their token."""
