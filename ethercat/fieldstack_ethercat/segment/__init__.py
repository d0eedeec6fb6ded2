"""The virtual segment: a chain of emulated EtherCAT slaves with their devices, for benches and tests only."""
