"""What the machine offers: CPUs, capabilities, real-time scheduling, namespaces, prerequisites."""
