"""Channels reach people: each delivers one alert, or says why it did not and whether to try again."""
