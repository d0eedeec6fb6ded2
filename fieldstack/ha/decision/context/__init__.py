"""What one decision works on: the records that last, and the parts that the steps of `decide` change."""
