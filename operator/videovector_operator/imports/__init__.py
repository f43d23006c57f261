"""The import worker: scans a run's source, probes its files, registers what they are. `run.run_import` is the door.

Any number of worker processes share one run; what they know of each other stands in the catalog. Nothing of Kubernetes,
no SQL and no provider's SDK may enter.
"""
