"""The front before fake-gcs-server: who may do what, preconditions, checksums, upload sessions, pages and large objects.

It speaks Google's JSON API, and reads by signed URL. Objects live in fake-gcs-server; content of more than 16 MiB lies in
files here, with an empty object of the same name standing for it there. A process of its own: nothing of the product
and nothing of the tests may be imported.
"""
