"""Progress lines on standard error; standard output stays free for answers that scripts read."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(message: str) -> None:
    """Print one line of progress."""
    print(message, file=sys.stderr, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Print how long a step took once it is over."""
    begun = time.monotonic()
    yield
    say(f"  {title}: {time.monotonic() - begun:.1f} s")
