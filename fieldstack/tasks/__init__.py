"""The Main Core process: the business logic that the Hard-Core protects; today the demo motion program."""
