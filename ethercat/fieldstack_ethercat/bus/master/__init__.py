"""The master: brings the bus up, watches it, and brings back what was lost."""
