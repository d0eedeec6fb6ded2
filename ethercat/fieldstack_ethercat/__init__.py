"""EtherCAT: wire structures, bus bring-up, drives, and the virtual segment."""
