"""`fieldstack bench cycle`: compares the RT cycle with a bare C loop and with cyclictest."""
