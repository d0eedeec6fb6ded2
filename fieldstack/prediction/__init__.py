"""Prediction finds what runs out and when, and what is no longer as it was.

docs/prediction.md has the method. It is a module of Non-RT: `module` runs it in a thread, and its findings
are measures of the policy.
"""
