"""The HTTP side: routes, the text forms of verdicts, commands with their token."""
