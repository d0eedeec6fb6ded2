"""JSON lines over a UNIX socket: how operators and machines command the processes of a cell."""
