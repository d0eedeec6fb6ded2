"""The ground of every package: files, sockets, /proc, clocks and units. It imports no other package."""
