"""Exit codes of the worker's process, which the Job's pod failure policy acts on."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Anything but OK and USER_MUST_ACT makes the Job start another pod, which goes on where this one stopped."""

    OK = 0
    """The run has ended; how, says the catalog."""
    RETRY = 1
    """Catalog or source stayed out of reach; the files are still open."""
    USER_MUST_ACT = 42
    """The source cannot be used; the run has been failed with the reason."""
    INTERRUPTED = 75
    """Asked to stop; the files were given back."""
