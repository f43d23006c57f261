"""Runs that end in another way than well: what stands in the status, and what kubectl makes of it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.installed_system import (
    BUCKET,
    ImportSite,
    InstalledSystem,
    counts,
    imported,
    imported_of,
    reason_of,
    wait_until,
)
from tests.support.world import condition

NOT_MEDIA = 6


@pytest.fixture(scope="module")
def site(system: InstalledSystem, small_files: list[str]) -> ImportSite:
    for number in range(NOT_MEDIA):
        system.s3.put_object(Bucket=BUCKET, Key=f"broken/text-{number}.mp4", Body=b"no video at all " * 20)
    site = system.site("failed")
    site.create_connector("media")
    site.create_connector("slow", slow=True)
    return site


def kubectl_wait(site: ImportSite, name: str, what: str, seconds: int) -> subprocess.CompletedProcess[str]:
    command = [*site.system.kube.command(), "wait", f"--for={what}", f"importjob/{name}", "-n", site.world.namespace]
    return subprocess.run([*command, f"--timeout={seconds}s"], capture_output=True, text=True, check=False)


@contextmanager
def slower(site: ImportSite) -> Iterator[None]:
    """Each answer of the storage takes so long that the run still goes on when a slow machine comes to what happens to it."""
    usual, site.system.proxy.delay = site.system.proxy.delay, 3.0
    try:
        yield
    finally:
        site.system.proxy.delay = usual


def test_too_many_failed_files_stall_the_run(site: ImportSite) -> None:
    site.create_import("threshold", "media", sourcePrefix="broken/", failureThreshold=2)
    job = site.wait_ended("threshold")
    # One command tells success from failure at once: nobody has to sit a timeout out.
    assert kubectl_wait(site, "threshold", "condition=Stalled", 20).returncode == 0
    assert kubectl_wait(site, "threshold", "condition=Ready", 1).returncode != 0
    assert reason_of(job) == ("Failed", "False", "FailureThresholdExceeded")
    assert condition(job, "Succeeded")["status"] == "False"
    assert "2" in condition(job, "Stalled")["message"]
    assert 2 < counts(job)["failed"] <= NOT_MEDIA
    states = [state for state in site.recorder.states if state["metadata"]["name"] == "threshold"]
    assert not any(
        condition(state, "Ready").get("status") == "True" for state in states if state["kind"] == "ImportJob"
    )
    assert site.recorder.violations() == []
    # Events are written after the status that they tell of.
    told = ("Warning", "FailureThresholdExceeded")
    wait_until("the Event", lambda: told in {(event["type"], event["reason"]) for event in site.world.list("Event")})


def test_as_many_failed_files_as_allowed_are_no_failure(site: ImportSite) -> None:
    site.create_import("tolerant", "media", sourcePrefix="broken/", failureThreshold="100%")
    job = site.wait_ended("tolerant")
    assert reason_of(job) == ("Completed", "True", "CompletedWithFailures")
    assert counts(job)["failed"] == NOT_MEDIA


def test_a_bucket_that_vanishes_stalls_the_run(site: ImportSite) -> None:
    system = site.system
    system.s3.create_bucket(Bucket="e2e-vanishing")
    for number in range(400):
        system.s3.put_object(Bucket="e2e-vanishing", Key=f"file-{number}.mp4", Body=b"bytes" * 100)
    site.create_connector("vanishing", bucket="e2e-vanishing", slow=True)
    keys = [{"Key": found["Key"]} for found in system.s3.list_objects_v2(Bucket="e2e-vanishing")["Contents"]]
    with slower(site):
        run_id = site.create_import("vanished", "vanishing")
        site.world.wait("ImportJob", "vanished", lambda job: bool(job["status"].get("startedAt")))
        system.s3.delete_objects(Bucket="e2e-vanishing", Delete={"Objects": keys})
        system.s3.delete_bucket(Bucket="e2e-vanishing")
    job = site.wait_ended("vanished")
    phase, ready, reason = reason_of(job)
    assert (phase, ready) == ("Failed", "False")
    assert reason in {"BucketNotFound", "SourceUnusable"}
    assert "e2e-vanishing" in condition(job, "Stalled")["message"]
    assert system.query("SELECT state FROM runs WHERE run_id = %s", run_id) == [("failed",)]


def test_cancelling_keeps_what_was_imported_and_stops(site: ImportSite, small_files: list[str]) -> None:
    system = site.system
    copies = 12
    for number in range(copies):
        for path in small_files:
            system.s3.copy_object(Bucket=BUCKET, Key=f"many/{number}/{path}", CopySource=f"{BUCKET}/{path}")
    with slower(site):
        run_id = site.create_import("cancelled", "slow", sourcePrefix="many/", parallelism=2)
        site.wait_counted("cancelled", 1)
        asked = time.monotonic()
        assert site.world.patch("ImportJob", "cancelled", {"spec": {"cancel": True}})[0] == 200
        job = site.wait_ended("cancelled")
    assert time.monotonic() - asked < 90
    assert reason_of(job) == ("Cancelled", "False", "Cancelled")
    assert 0 < imported(job) < copies * len(small_files)
    site.world.wait(
        "Job", site.jobs_of("cancelled")[0]["metadata"]["name"], lambda child: not child["status"].get("active")
    )
    assert imported_of(system, run_id) == imported(job)
    states = system.query("SELECT state, count(*) FROM run_files WHERE run_id = %s GROUP BY state", run_id)
    assert dict(states).get("imported") == imported(job)


def test_no_matching_file_is_success_and_says_so(site: ImportSite) -> None:
    site.create_import("nothing", "media", sourcePrefix="no/such/folder/")
    assert kubectl_wait(site, "nothing", "condition=Ready", 60).returncode == 0
    job = site.wait_ended("nothing")
    assert reason_of(job) == ("Completed", "True", "NoMatchingFiles")
    assert counts(job) == {"totalFiles": 0, "imported": 0, "failed": 0, "skipped": 0}


def test_new_only_takes_nothing_twice(site: ImportSite, small_files: list[str]) -> None:
    site.create_import("first", "media", sourcePrefix="small/", importMode="new_only")
    first = site.wait_ended("first")
    assert counts(first) == {"totalFiles": len(small_files), "imported": len(small_files), "failed": 0, "skipped": 0}
    run_id = site.create_import("second", "media", index="first", sourcePrefix="small/", importMode="new_only")
    second = site.wait_ended("second")
    assert reason_of(second)[:2] == ("Completed", "True")
    assert counts(second) == {"totalFiles": len(small_files), "imported": 0, "failed": 0, "skipped": len(small_files)}
    reasons = site.system.query("SELECT DISTINCT reason FROM run_files WHERE run_id = %s", run_id)
    assert reasons == [("AlreadyImported",)]
    index = site.world.get("Index", "first")
    assert index is not None
    assert index["status"]["media"]["total"] == len(small_files)


def test_pausing_in_the_middle_is_no_failure_and_loses_nothing(site: ImportSite, small_files: list[str]) -> None:
    """Each pause ends six pods: two of them would use up the Job's backoffLimit of 10 if they counted."""
    copies = 30
    for number in range(copies):
        for path in small_files:
            site.system.s3.copy_object(Bucket=BUCKET, Key=f"long/{number}/{path}", CopySource=f"{BUCKET}/{path}")
    with slower(site):
        run_id = site.create_import("paused", "slow", sourcePrefix="long/", parallelism=6)
        done = pause_and_resume(site, done=0)
        done = pause_and_resume(site, done)
        assert done < copies * len(small_files)
    job = site.wait_ended("paused", 240)

    assert reason_of(job) == ("Completed", "True", "Completed")
    assert counts(job)["imported"] == copies * len(small_files)
    assert imported_of(site.system, run_id) == imported(job)
    assert len(site.jobs_of("paused")) == 1


def pause_and_resume(site: ImportSite, done: int) -> int:
    """Pause as soon as more than ``done`` files are imported, wait until no pod is left, and go on."""
    site.wait_counted("paused", done + 1, 120)
    site.world.annotate("ImportJob", "paused", "videovector.io/paused", "true")
    name = site.jobs_of("paused")[0]["metadata"]["name"]
    site.world.wait("Job", name, lambda job: job["spec"]["suspend"] and not job["status"].get("active"), 60)
    body = site.world.wait("ImportJob", "paused", lambda job: job["status"]["phase"] == "Paused")
    site.world.annotate("ImportJob", "paused", "videovector.io/paused", None)
    return imported(body)
