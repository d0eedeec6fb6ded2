"""Control sockets (JSON lines over a UNIX socket), by which people and programs command a cell's processes."""
