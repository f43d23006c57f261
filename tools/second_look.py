"""pytest as continuous integration runs it: a few tests that fail are run once more, alone, and named.

Many of the tests kill processes, cut connections and count seconds on real servers, on a machine that others use too. One that
fails among thousands and passes by itself right after says something about that machine more often than about the change; it
is told as flaky, for people to look at, and does not hold the change up. One that fails twice does, and so do many at once.
Without ``VIDEOVECTOR_SECOND_LOOK`` this is pytest and no more. Nothing of what is tested belongs here.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

VARIABLE = "VIDEOVECTOR_SECOND_LOOK"
MOST = 3
"""More failures than this have one cause, and it is not the machine."""
LAST_FAILED = "v/cache/lastfailed"
_ALONE = ("--last-failed", "--last-failed-no-failures=none", "-n", "0", "--dist", "no")

Run = Callable[[list[str]], int]
Become = Callable[[list[str]], int]


def main(arguments: Sequence[str], cache: Path, *, is_wanted: bool, run: Run, become: Become) -> int:
    """Run pytest with ``arguments``, its cache in the folder ``cache``; answers its exit code.

    ``become`` runs pytest in the place of this process, for the second look.
    """
    last_failed = cache / LAST_FAILED
    last_failed.unlink(missing_ok=True)
    options = ["-o", f"cache_dir={cache}"]
    status = run([*options, *arguments])
    if status != pytest.ExitCode.TESTS_FAILED or not is_wanted or not last_failed.exists():
        return status
    failed = list(json.loads(last_failed.read_text(encoding="utf-8")))
    if len(failed) > MOST:
        return status
    print(f"\na second look at {len(failed)}, alone; flaky if they pass:", *failed, sep="\n  ", flush=True)
    return become([*options, *arguments, *_ALONE])


def _become(arguments: list[str]) -> int:
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])


if __name__ == "__main__":
    sys.exit(
        main(
            sys.argv[2:],
            Path(sys.argv[1]).absolute(),
            is_wanted=os.environ.get(VARIABLE) == "1",
            run=pytest.main,
            become=_become,
        )
    )
