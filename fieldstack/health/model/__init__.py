"""What the health server observes and answers: observations, results, settings and its token."""
