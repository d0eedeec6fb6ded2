"""A task as people declare it, its checks, and its compilation to a program for this machine."""
