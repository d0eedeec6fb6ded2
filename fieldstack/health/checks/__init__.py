"""Health checks: one small class for each question. All of them are pure functions of an observation."""
