"""How much of a flapping endpoint is borne: the one number that the operator and the kubectl plugin both tell of.

The plugin starts at once and runs without the operator's dependencies: nothing may be imported here.
"""

PATIENCE = 3
"""Tests of a proven connection that must fail in a row before Ready becomes False."""
