"""Alembic scripts: the environment and one file a schema change. Imported by `catalog.migrate` only."""
