"""The kubectl plugin, `kubectl videovector …`: what people ask for, with the rights of their kubeconfig and no others.

Commands are functions over the ports of `ports.py`. What needs a Connector's credentials or the catalog is asked of the operator's
own API. A command must answer at once, so everything here is synchronous, and what takes long to import is imported when it is used:
kopf, the storage providers, the catalog and the Kubernetes client never.
"""
