"""What a checkpoint holds, and by which rule a cell goes on from it."""
