"""What carries out actions: each knows how to do it, and how to read back that it is done."""
