"""Prediction: what runs out and when, what is no longer as it was; the method is in docs/prediction.md."""
