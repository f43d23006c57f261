"""The import worker's program: scan, claim, inspect, register."""
