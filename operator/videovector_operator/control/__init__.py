"""The edge: watchers, work queue, leadership, status writes, events, metrics."""
