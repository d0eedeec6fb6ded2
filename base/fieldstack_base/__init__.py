"""What every package of Fieldstack stands on: files, sockets, /proc, clocks and units; it imports none."""
