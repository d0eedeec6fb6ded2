"""Health checks: one small class for each question; all of them pure functions of an observation."""
