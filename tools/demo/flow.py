"""The demo itself, the same on every cluster: install, upload, apply, wait, show."""

from __future__ import annotations

from pathlib import Path

from tools import sample_media
from tools.demo import quickstart, release, report, storage
from tools.demo.console import bar, step
from tools.demo.errors import DemoError
from tools.demo.plugin import install_plugin
from tools.demo.programs import Json, Kube
from tools.demo.shell import Shell
from tools.demo.site import ARCHIVE_BUCKET, BUCKET, NAMESPACE, RELEASE, STATE, SYSTEM_NAMESPACE, Site

IMPORT_SECONDS = 300.0


def show(site: Site) -> None:
    """Bring the whole system up on a cluster that is ready for it, import the sample media and print what came of it."""
    with step("The chart, by helm"):
        release.install(site.kube, build_release(site))
    with step("Sample media, made with ffmpeg and uploaded to both clouds"):
        _upload(site.storage, BUCKET, STATE / "media")
        _upload(site.archive, ARCHIVE_BUCKET, STATE / "media")
    with step("examples/quickstart: an import from S3"):
        first = _apply(site.kube, quickstart.load_manifests(), site.storage, BUCKET)
    with step("examples/two-clouds: Cloud Storage joins"):
        second = _apply(site.kube, quickstart.load_manifests(quickstart.TWO_CLOUDS), site.archive, ARCHIVE_BUCKET)
    _report(Shell(site.kube, install_plugin(STATE)), first, second)


def _report(shell: Shell, first: Json, second: Json) -> None:
    one, two = first["metadata"]["name"], second["metadata"]["name"]
    report.print_exports(shell)
    report.print_objects(shell)
    for title, arguments in (
        ("What an import would see of a bucket", ("browse", "archive", "--pattern", "*.{mp4,mov}")),
        ("Which files have failed", ("files", one, "--state", "failed")),
        ("Which were skipped", ("files", two, "--state", "skipped")),
        ("Everything, what is wrong first", ("status",)),
    ):
        report.print_plugin(shell, title, *arguments)
    report.print_next(shell, first)


def build_release(site: Site) -> release.Release:
    """The demo's installation: it watches the demo's namespace alone."""
    return release.Release(RELEASE, SYSTEM_NAMESPACE, site.image, watch=(NAMESPACE,), dsn=site.dsn, values=site.values)


def _apply(kube: Kube, manifests: list[Json], place: storage.Place, bucket: str) -> Json:
    """Apply an example on a bucket and wait for its one import; answers the ImportJob."""
    [job] = quickstart.start(kube, quickstart.adapt(manifests, place, namespace=NAMESPACE, bucket=bucket))
    return _follow(kube, *job)


def _upload(place: storage.Place, bucket: str, directory: Path) -> None:
    try:
        samples = sample_media.generate(directory)
    except RuntimeError as error:
        raise DemoError(str(error)) from None
    with bar() as progress:
        task = progress.add_task(f"uploading to {place.provider}", total=len(samples))
        paths = [sample.path for sample in samples]
        place.fill(bucket, directory, paths, done=lambda: progress.advance(task))


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
