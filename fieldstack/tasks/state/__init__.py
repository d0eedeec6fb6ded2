"""Where each task of the cell stands: its phase and cursor, the table of all, what people ask of it."""
