"""One slave as scripts reach it: address, states, objects, mapping, stop options."""
