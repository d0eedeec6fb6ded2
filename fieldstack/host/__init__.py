"""The machine under a cell: CPUs, capabilities, real-time scheduling, namespaces, prerequisites."""
