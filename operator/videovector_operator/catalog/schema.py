"""Which schema this version works with. Nothing else may enter: the operator, the workers and `migrate` all read it."""

from __future__ import annotations

SCHEMA_REVISION = "0003"
"""The newest migration below `catalog/migrations/versions`."""

MIGRATE_COMMAND = "videovector-operator migrate"

RUNS_CHANNEL = "videovector_runs"
"""NOTIFY channel; the payload is the id of a run that changed."""
