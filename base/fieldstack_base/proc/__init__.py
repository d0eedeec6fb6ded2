"""What the kernel says in /proc: of processes, their use of the machine, their memory and rights."""
