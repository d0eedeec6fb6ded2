"""The control socket of the Tasks process, and its clients."""
