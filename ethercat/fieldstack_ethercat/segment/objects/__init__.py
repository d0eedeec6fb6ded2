"""The object dictionaries of the virtual devices, and where in its C struct each object lives."""
