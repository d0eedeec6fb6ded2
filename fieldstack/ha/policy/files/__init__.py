"""Reads a policy file, compiles it, and keeps the compiled form: a restart need not validate it again."""
