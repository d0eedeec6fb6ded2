"""Tasks under way: executor, scheduler, runners, and the stream of setpoints."""
