"""What carries out the actions of a decision: each knows how to do it, and how to read back that it is done."""
