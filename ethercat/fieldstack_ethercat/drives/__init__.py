"""Drives as the master sees them."""
