"""Workers die without warning, at random points of thirty imports: nothing is lost, nothing is done twice."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.installed_system import BUCKET, ImportSite, InstalledSystem, counts, reason_of
from tests.support.world import is_ready, is_stalled
from tools.devcluster import processes
from tools.sample_media import generate_small

SEED_VARIABLE = "VIDEOVECTOR_TEST_SEED"
RUNS, MOST_RUNS = 30, 80
GOOD, BROKEN, TEXTS = 40, 3, 2
PARALLELISM = (1, 1, 1, 2, 3)
PREFIX = "mixed/"
EXPECTED = {"totalFiles": GOOD + BROKEN + TEXTS, "imported": GOOD, "failed": BROKEN, "skipped": TEXTS}
# Most of it is the start of a hundred pods, and the Job controller waits ten seconds before it replaces a failed one.
SECONDS = 900.0


@pytest.fixture(scope="module")
def site(system: InstalledSystem, tmp_path_factory: pytest.TempPathFactory) -> ImportSite:
    folder = tmp_path_factory.mktemp("mixed")
    system.upload(BUCKET, folder, [f"{PREFIX}{path}" for path in generate_small(folder / PREFIX, GOOD)])
    for number in range(BROKEN):
        system.s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}broken-{number}.mp4", Body=b"no video at all " * 20)
    for number in range(TEXTS):
        system.s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}note-{number}.txt", Body=b"a note")
    site = system.site("kills")
    site.create_connector("slow", slow=True)
    return site


@dataclass
class Victim:
    """One run, and when its worker dies: so many seconds after the condition holds that ``moment`` names."""

    name: str
    run_id: str
    moment: str
    delay: float
    due: float | None = None
    hits: int = 0
    ended: bool = False


MOMENTS = ("a process", "a claimed file", "a stored file")


def begin(site: ImportSite, number: int, chance: random.Random) -> Victim:
    name = f"run-{number:02d}"
    run_id = site.create_import(name, "slow", sourcePrefix=PREFIX, parallelism=chance.choice(PARALLELISM))
    moment = chance.choice(MOMENTS)
    return Victim(name, run_id, moment, chance.uniform(0.0, 1.0 if moment == MOMENTS[0] else 0.3))


def workers() -> dict[str, list[int]]:
    """Pids of the worker processes of every run; only a container of ours has a run's id as an argument."""
    found: dict[str, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                arguments = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if "--run" in arguments[:-1]:
                found.setdefault(arguments[arguments.index("--run") + 1], []).append(int(entry.name))
    return found


def progress(system: InstalledSystem) -> dict[str, tuple[int, int]]:
    """Files that are leased and files that are done, a run."""
    rows = system.query(
        "SELECT run_id, count(*) FILTER (WHERE state = 'leased'), "
        "count(*) FILTER (WHERE state NOT IN ('pending', 'leased')) FROM run_files GROUP BY run_id"
    )
    return {run_id: (leased, done) for run_id, leased, done in rows}


def is_due(victim: Victim, pids: list[int], leased: int, done: int) -> bool:
    holds = {MOMENTS[0]: bool(pids), MOMENTS[1]: leased > 0, MOMENTS[2]: done > 0}[victim.moment]
    if victim.due is None and holds:
        victim.due = time.monotonic() + victim.delay
    return victim.due is not None and time.monotonic() >= victim.due


def strike(victim: Victim, pids: list[int], chance: random.Random) -> None:
    process = processes.identify(chance.choice(pids))
    if process is not None and process.signal(signal.SIGKILL):
        victim.hits += 1


@pytest.mark.timeout(960)
def test_killed_workers_lose_nothing_and_double_nothing(site: ImportSite) -> None:
    seed = int(os.environ.get(SEED_VARIABLE) or random.SystemRandom().randrange(2**32))
    print(f"{SEED_VARIABLE}={seed}")
    chance = random.Random(seed)
    victims = [begin(site, number, chance) for number in range(RUNS)]
    deadline = time.monotonic() + SECONDS
    while not all(victim.ended for victim in victims):
        assert time.monotonic() < deadline, [victim for victim in victims if not victim.ended]
        running, told = workers(), progress(site.system)
        for victim in victims:
            pids = running.get(victim.run_id, [])
            if not victim.hits and is_due(victim, pids, *told.get(victim.run_id, (0, 0))) and pids:
                strike(victim, pids, chance)
        ended = {job["metadata"]["name"] for job in site.world.list("ImportJob") if is_ready(job) or is_stalled(job)}
        for victim in victims:
            victim.ended = victim.name in ended
        unhurt = sum(victim.ended and not victim.hits for victim in victims)
        while len(victims) < min(RUNS + unhurt, MOST_RUNS):
            victims.append(begin(site, len(victims), chance))
    hit = [victim for victim in victims if victim.hits]
    print({moment: sum(victim.moment == moment for victim in hit) for moment in MOMENTS}, f"of {len(victims)} runs")
    assert len(hit) >= RUNS
    for victim in victims:
        assert_whole(site, victim)


def assert_whole(site: ImportSite, victim: Victim) -> None:
    job = site.world.get("ImportJob", victim.name)
    assert job is not None
    assert reason_of(job) == ("Completed", "True", "CompletedWithFailures"), victim
    assert counts(job) == EXPECTED, victim
    assert len(site.jobs_of(victim.name)) == 1, victim
    query = site.system.query
    files = dict(query("SELECT state, count(*) FROM run_files WHERE run_id = %s GROUP BY state", victim.run_id))
    assert files == {"imported": GOOD, "failed": BROKEN, "skipped": TEXTS}, victim
    paths = [path for (path,) in query("SELECT path FROM media WHERE run_id = %s", victim.run_id)]
    assert len(paths) == len(set(paths)) == GOOD, victim
    told = query(
        "SELECT count(*), count(DISTINCT media_id) FROM events WHERE run_id = %s AND type = 'media.created'",
        victim.run_id,
    )
    assert told == [(GOOD, GOOD)], victim
