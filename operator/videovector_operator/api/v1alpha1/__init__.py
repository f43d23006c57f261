"""API version v1alpha1: one file a kind."""
