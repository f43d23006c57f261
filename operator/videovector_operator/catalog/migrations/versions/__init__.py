"""One file a schema change; never edited after its release."""
