"""The shape of `failover_policy.json` (pydantic), the checks that its parts fit, and its worst-case times."""
