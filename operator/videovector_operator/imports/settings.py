"""The worker's settings: sizes, times and limits with defaults that suit a pod of one core."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class ImportSettings:
    """All times in seconds."""

    in_flight: int = 32
    """Files read and probed at the same time."""
    claim_batch: int = 256
    """Files leased at once; they wait in memory for their turn."""
    register_batch: int = 200
    """Results that are stored in one transaction, at most."""
    register_interval: float = 0.5
    """Results wait no longer than this."""
    lease: float = 15.0
    """After this silence another worker may take over what this one held."""
    heartbeat: float = 1.0
    """Time between two signs of life, which also carry cancellation here and the current file there."""
    idle_poll: float = 1.0
    """Longest pause between two looks for work while other workers hold the open files."""
    list_page_size: int = 1000
    head_bytes: int = 64 * 1024
    """Read of every file first; most need no more."""
    max_reads: int = 24
    """Range reads of one file, at most."""
    max_file_bytes: int = 80 * 1024 * 1024
    """Read of one file, at most: the largest index and header that `media` accepts, and some room."""
    large_files: int = 2
    """Files at the same time of which more than ``large_bytes`` are in memory."""
    large_bytes: int = 1024 * 1024
    probe_threads: int = 1
    """Threads for probing; more only pay for very slow headers, for what is not libav holds the GIL."""
    probe_timeout: float = 20.0
    """Longest time that one probe may take."""
    file_attempts: int = 3
    """Failed reads of one file while others succeed, after which the file fails (each has the storage's own retries)."""
    lonely_attempts: int = 12
    """The same while nothing else is being read, so that nobody can tell the file's trouble from the source's."""
    source_outage: float = 600.0
    """Longest time without any answer from the source before the worker gives up."""
    credentials_wait: float = 120.0
    """Longest wait for fresh credentials once the old ones, which had worked, are refused; also for the pods' own identity."""
    first_credentials_wait: float = 10.0
    """The same for keys of a Secret that have not worked yet: new ones may take a moment until every server knows them."""
    catalog_outage: float = 300.0
    """Longest time without the catalog before the worker gives up."""
    shutdown: float = 5.0
    """Longest time to store results and give files back when asked to stop."""

    @property
    def lease_time(self) -> timedelta:
        """``lease`` as a duration."""
        return timedelta(seconds=self.lease)
