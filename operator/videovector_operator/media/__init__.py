"""Media: what a file is, from a few ranges of its bytes. No network, storage, catalog or event loop may enter.

`probe.probe_media` is the door. It works on a `reader.PartialObject`, the ranges of the object that are known so far, and
raises `reader.MissingBytes` when it needs another one; the caller fetches that range and calls again.
"""
