"""The whole system on a real Kubernetes, importing sample media: ``make demo`` and ``make demo-down``.

The end-to-end tests install with these same functions, so that what is shown is what is tested. Nothing of the product
may be imported here: the demo is a user of its image, its chart and its manifests.
"""
