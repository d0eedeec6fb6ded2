"""The state of a cell at one moment, as every view shows it: snapshot, liveness, history."""
