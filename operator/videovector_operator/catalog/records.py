"""Re-exports `core.records` for callers of the catalog."""

from videovector_operator.core.records import *  # noqa: F403
