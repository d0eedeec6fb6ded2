"""`fieldstack bench prediction`: runs leaks and normal operation, and scores what was predicted."""
