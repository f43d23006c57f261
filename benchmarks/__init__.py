"""One file a claim; each prints ours, the named peer and the ratio from one run. Not installed, not tested by time."""
