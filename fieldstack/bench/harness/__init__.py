"""What all benches share: the machine, its load, samples, percentiles, reports and checks."""
