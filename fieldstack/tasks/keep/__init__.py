"""What of the tasks outlives a process: store, checkpoint, restoration."""
