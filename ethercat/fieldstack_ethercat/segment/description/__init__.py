"""What a virtual segment is made of: the device list, the defects devices can have, and errors."""
