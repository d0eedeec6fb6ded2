"""Commands in and status out: the control socket and its clients, the status record, faults on order."""
