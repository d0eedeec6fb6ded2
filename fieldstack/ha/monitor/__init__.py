"""What Non-RT observes: processes, RT's records and events, and the history that is kept of them."""
