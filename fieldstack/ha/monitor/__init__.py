"""What is observed: processes, RT records and events, and the history that is kept of them."""
