"""The Non-RT side of Fieldstack and everything that people touch."""
