"""The cell as a whole: its configuration, its start and end without systemd, its files for systemd."""
