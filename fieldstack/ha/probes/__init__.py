"""Probes: one file a source of measures; each reads and never judges (`fieldstack.ha.model.measures`)."""
