"""Makes `script.py` beside the tests importable."""
