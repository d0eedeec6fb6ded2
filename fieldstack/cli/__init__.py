"""Commands: thin wrappers that parse, call and print."""
