"""`fieldstack bench failover`: faults in live cells, and how long until the machine moves again."""
