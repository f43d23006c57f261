"""The operator's own read-only HTTPS API for people's tools: browse a Connector's storage, list a run's files.

What needs a Connector's credentials or the catalog is asked for here, so that neither ever leaves the operator. Who asks is found
out by the Kubernetes API, and so is what they may do. Served by every replica, leader or standby; nothing is changed by it.
"""
