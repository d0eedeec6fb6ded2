"""`fieldstack bench failover`: causes faults in live cells, and measures how long until axes move again."""
