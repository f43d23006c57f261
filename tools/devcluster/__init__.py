"""A real single-node Kubernetes on one Linux machine, on loopback only, for tests and the demo.

Only the standard library may be imported here (``fixtures.py`` adds pytest): the room has to run before any
virtual environment exists. Nothing of the product may be imported, and the product may not import this.
"""
