"""High availability: policy, decision, supervision and recovery; the Non-RT process."""
