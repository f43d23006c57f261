"""The VideoVector Operator: media imports as Kubernetes custom resources."""
