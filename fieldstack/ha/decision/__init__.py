"""The decision core: from facts and a policy to the next HA state and its actions. Pure."""
