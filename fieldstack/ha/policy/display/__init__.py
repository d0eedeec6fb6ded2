"""A policy for people: budgets, diagrams of the states, and why an action happened."""
