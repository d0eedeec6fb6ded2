"""Helpers for tests of this project and of its users: a running segment, a master, a drive, its trace."""
