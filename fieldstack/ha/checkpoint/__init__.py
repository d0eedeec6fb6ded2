"""The checkpoint: what it holds, and the rule by which a cell continues from it."""
