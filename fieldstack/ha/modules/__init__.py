"""Modules are parts of the Non-RT process that can fail and be restarted alone while the rest goes on."""
