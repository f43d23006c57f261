"""Pure decisions: what to do and what to publish. No I/O, clock, randomness or logging."""
