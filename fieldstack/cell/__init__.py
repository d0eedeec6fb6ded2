"""The cell as a whole: its configuration, its start without systemd, and a snapshot of its state."""
