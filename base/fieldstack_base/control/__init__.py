"""Control sockets: people and programs command a cell's processes by JSON lines over a UNIX socket."""
