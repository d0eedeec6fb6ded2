"""Health checks: one small class for each question. All of them are pure functions of an observation.

probes.py says which endpoint of the health server asks which.
"""
