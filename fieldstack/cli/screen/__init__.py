"""What commands show in a terminal and take from it: dashboard, lines and tables, pressed and held keys."""
