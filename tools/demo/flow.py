"""The demo itself, the same on every cluster: install, upload, apply, wait, show."""

from __future__ import annotations

from pathlib import Path

from tools import sample_media
from tools.demo import quickstart, release, report, storage
from tools.demo.console import bar, step
from tools.demo.errors import DemoError
from tools.demo.programs import Json, Kube
from tools.demo.site import BUCKET, NAMESPACE, RELEASE, STATE, SYSTEM_NAMESPACE, Site

IMPORT_SECONDS = 300.0


def show(site: Site) -> None:
    """Bring the whole system up on a cluster that is ready for it, import the sample media and print what came of it."""
    with step("The chart, by helm"):
        release.install(site.kube, build_release(site))
    with step("Sample media, made with ffmpeg and uploaded"):
        _upload(site.storage, STATE / "media")
    manifests = quickstart.load_manifests()
    with step("examples/quickstart, and its import"):
        adapted = quickstart.adapt(manifests, site.storage, namespace=NAMESPACE, bucket=BUCKET)
        jobs = [_follow(site.kube, *job) for job in quickstart.start(site.kube, adapted)]
    report.print_objects(site.kube)
    for job in jobs:
        report.print_files(job)
        report.print_next(site.kube, job)


def build_release(site: Site) -> release.Release:
    """The demo's installation: it watches the demo's namespace alone."""
    return release.Release(RELEASE, SYSTEM_NAMESPACE, site.image, watch=(NAMESPACE,), dsn=site.dsn, values=site.values)


def _upload(place: storage.Storage, directory: Path) -> None:
    try:
        samples = sample_media.generate(directory)
    except RuntimeError as error:
        raise DemoError(str(error)) from None
    with place.reached() as endpoint, bar() as progress:
        task = progress.add_task("uploading", total=len(samples))
        client = storage.open_client(place, endpoint)
        paths = [sample.path for sample in samples]
        storage.upload(client, BUCKET, directory, paths, done=lambda: progress.advance(task))


def _follow(kube: Kube, namespace: str, name: str) -> Json:
    with bar() as progress:
        task = progress.add_task(f"importjob/{name}", total=None)

        def seen(status: Json) -> None:
            counts = status.get("progress", {})
            done = sum(counts.get(outcome, 0) for outcome in ("imported", "failed", "skipped"))
            total = counts.get("totalFiles") or None
            progress.update(
                task, completed=done, total=total, description=f"importjob/{name} {status.get('phase', '')}"
            )

        job = quickstart.wait_for_import(kube, namespace, name, seconds=IMPORT_SECONDS, seen=seen)
    kube.run("wait", "--for=condition=Ready", f"importjob/{name}", "-n", namespace, "--timeout=60s")
    # The Index counts what came in a moment later.
    index, run = job["spec"]["indexRef"]["name"], job["status"]["id"]
    last = f"--for=jsonpath={{.status.lastImport.id}}={run}"
    kube.run("wait", last, f"index/{index}", "-n", namespace, "--timeout=60s")
    return job
