"""The vocabulary of high availability: facts, measures, actions, states and their order. No behaviour."""
