"""What of the tasks outlives the process: files, the checkpoint, and the table made anew from both."""
