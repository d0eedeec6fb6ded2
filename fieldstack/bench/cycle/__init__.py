"""`fieldstack bench cycle`: the RT cycle beside a bare C loop and cyclictest."""
