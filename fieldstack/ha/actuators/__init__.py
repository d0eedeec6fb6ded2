"""Actuators carry out actions. Each knows how an action is done, and how to read back that it is done."""
