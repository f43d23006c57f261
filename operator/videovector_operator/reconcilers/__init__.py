"""One file a kind: observe, decide, act, summarise."""
