"""The real-time process: executive, native cycle and guard, shared memory."""
