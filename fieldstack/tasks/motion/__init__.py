"""Setpoints from a program: trajectories, one task's motion, the stream of all, and what RT says of it."""
