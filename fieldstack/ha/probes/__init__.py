"""Probes measure for the policy, one file a source.

Each reads and never judges (`fieldstack.ha.model.measures`).
"""
