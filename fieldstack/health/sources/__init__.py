"""Sources of observations: each reads one thing, in a thread of its own. The observer runs them."""
