"""What of the tasks outlives the process: files, the checkpoint, and the table made again from both."""
