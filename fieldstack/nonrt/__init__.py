"""The Non-RT process: puts guard, supervision, failover and operator commands together."""
