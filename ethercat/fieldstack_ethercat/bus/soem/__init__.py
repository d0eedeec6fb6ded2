"""SOEM through pysoem: its context in memory, its objects, and acyclic frames beside the cycle."""
