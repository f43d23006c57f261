"""The quickstart, as the demo shows it: what is imported, what is left out and why, and how it looks from outside."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.installed_system import ImportSite, InstalledSystem, counts, reason_of, wait_until
from tests.support.world import is_ready
from tools.demo import quickstart
from tools.sample_media import QUICKSTART, generate

BUCKET = "e2e-quickstart"
Json = dict[str, Any]


@dataclass(frozen=True)
class Imported:
    """The quickstart after its import."""

    site: ImportSite
    name: str
    folder: Path
    job: Json

    @property
    def run_id(self) -> str:
        found: str = self.job["status"]["id"]
        return found


@pytest.fixture(scope="module")
def done(system: InstalledSystem, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    folder = tmp_path_factory.mktemp("quickstart")
    system.upload(BUCKET, folder, [sample.path for sample in generate(folder)])
    site = system.site("quickstart")
    manifests = quickstart.load_manifests()
    adapted = quickstart.adapt(manifests, system.storage, namespace=site.world.namespace, bucket=BUCKET)
    [(_, name)] = quickstart.start(system.kube, adapted)
    job = site.wait_ready(name)
    namespace = site.world.namespace
    system.kube.run("wait", "--for=condition=Ready", f"importjob/{name}", "-n", namespace, "--timeout=120s")
    index = job["spec"]["indexRef"]["name"]
    site.world.wait("Index", index, lambda found: (found["status"].get("lastImport") or {}).get("name") == name)
    return Imported(site, name, folder, job)


def expected(outcome: str) -> set[tuple[str, str]]:
    return {(sample.path, sample.reason) for sample in QUICKSTART if sample.outcome == outcome}


def test_it_counts_every_file_once(done: Imported) -> None:
    outcomes = {outcome: len(expected(outcome)) for outcome in ("imported", "failed", "skipped")}
    assert counts(done.job) == {"totalFiles": len(QUICKSTART), **outcomes}
    assert reason_of(done.job) == ("Completed", "True", "CompletedWithFailures")


def test_it_names_what_it_left_out_and_why(done: Imported) -> None:
    status = done.job["status"]
    assert {(file["path"], file["reason"]) for file in status["failedFiles"]} == expected("failed")
    assert {(file["path"], file["reason"]) for file in status["skippedFiles"]} == expected("skipped")
    assert all(file["error"] and file["attempts"] >= 1 for file in status["failedFiles"])
    assert all(file["message"] for file in status["skippedFiles"])
    assert len(status["videoIds"]) == len(expected("imported"))


@pytest.mark.parametrize("path", [sample.path for sample in QUICKSTART if sample.outcome == "imported"])
def test_the_catalog_says_what_ffprobe_says(done: Imported, path: str) -> None:
    columns = (
        "kind, size, duration_seconds, width, height, frame_rate, video_codec, audio_codec, sample_rate, channels, "
        "technical->>'format', technical#>>'{streams,0,codec}'"
    )
    # Other imports of the same installation have files of the same names: this run's are asked for.
    rows = done.site.system.query(f"SELECT {columns} FROM media WHERE path = %s AND run_id = %s", path, done.run_id)
    assert len(rows) == 1
    found = dict(zip(columns.split(", "), rows[0], strict=True))
    answer = ffprobe(done.folder / path)
    sample = next(sample for sample in QUICKSTART if sample.path == path)
    assert found["kind"] == sample.kind
    assert found["size"] == int(answer["format"]["size"])
    streams = {stream["codec_type"]: stream for stream in answer["streams"]}
    if sample.kind == "image":
        assert (found["width"], found["height"]) == (streams["video"]["width"], streams["video"]["height"])
        assert found["technical#>>'{streams,0,codec}'"] == streams["video"]["codec_name"]
        return
    assert found["duration_seconds"] == pytest.approx(float(answer["format"]["duration"]), rel=0.02)
    assert found["technical->>'format'"] in answer["format"]["format_name"]
    assert (found["audio_codec"], found["sample_rate"], found["channels"]) == (
        streams["audio"]["codec_name"],
        int(streams["audio"]["sample_rate"]),
        streams["audio"]["channels"],
    )
    if sample.kind == "video":
        video = streams["video"]
        assert (found["video_codec"], found["width"], found["height"]) == (
            video["codec_name"],
            video["width"],
            video["height"],
        )
        numerator, denominator = map(int, video["avg_frame_rate"].split("/"))
        assert found["frame_rate"] == pytest.approx(numerator / denominator, rel=0.001)


def ffprobe(path: Path) -> Json:
    command = ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", str(path)]
    answer: Json = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    return answer


def test_kubectl_alone_tells_the_story(done: Imported) -> None:
    namespace = done.site.world.namespace
    shown = done.site.system.kube.run("get", "importjobs", "-n", namespace)
    head, row = (line.split() for line in shown.splitlines())
    told = dict(zip(head, row, strict=True))
    assert told["NAME"] == done.name
    assert told["INDEX"] == done.job["spec"]["indexRef"]["name"]
    assert (told["PHASE"], told["REASON"]) == ("Completed", "CompletedWithFailures")
    columns = {"IMPORTED": "imported", "FAILED": "failed", "SKIPPED": "skipped", "TOTAL": "totalFiles"}
    assert {column: int(told[column]) for column in columns} == {
        column: counts(done.job)[counter] for column, counter in columns.items()
    }


def test_the_index_counts_its_media(done: Imported) -> None:
    index = done.site.world.get("Index", done.job["spec"]["indexRef"]["name"])
    assert index is not None
    assert is_ready(index)
    kinds = [sample.kind for sample in QUICKSTART if sample.outcome == "imported"]
    media = index["status"]["media"]
    assert media["total"] == len(kinds)
    for kind in ("video", "audio", "image"):
        assert media[kind]["count"] == kinds.count(kind)
    sizes = sum((done.folder / sample.path).stat().st_size for sample in QUICKSTART if sample.outcome == "imported")
    assert index["status"]["sizeBytes"] == sizes
    assert index["status"]["lastImport"]["imported"] == len(kinds)


def test_events_tell_the_story_and_none_warns(done: Imported) -> None:
    """A run that is Ready is no reason to wake anybody, even if it left files out; runs that fail do warn."""

    def events() -> set[tuple[str, str]]:
        about = (event for event in done.site.world.list("Event") if event["involvedObject"]["name"] == done.name)
        return {(e["type"], e["reason"]) for e in about if e["involvedObject"]["kind"] == "ImportJob"}

    wait_until("both Events", lambda: {("Normal", "JobCreated"), ("Normal", "CompletedWithFailures")} <= events())
    assert {kind for kind, _ in events()} == {"Normal"}


def test_the_worker_holds_no_kubernetes_rights(done: Imported) -> None:
    pods = done.site.world.api.get(f"{done.site.world.path('Pod')}?labelSelector=videovector.io/run-id={done.run_id}")
    assert pods is not None
    assert pods["items"]
    for pod in pods["items"]:
        assert pod["spec"]["automountServiceAccountToken"] is False
        sources = [
            source for volume in pod["spec"]["volumes"] for source in volume.get("projected", {}).get("sources", ())
        ]
        assert not [source for source in sources if set(source) != {"secret"}], "a projected volume could hold a token"
        assert_restricted(pod["spec"])


def assert_restricted(spec: Json) -> None:
    """The fields that the Pod Security Standard "restricted" asks for, and a root file system that nobody writes."""
    security = spec["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] != 0
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["readOnlyRootFilesystem"] is True
        assert own["capabilities"] == {"drop": ["ALL"]}


def test_every_state_on_the_way_obeys_the_rules(done: Imported) -> None:
    states = done.site.recorder.states
    assert {state["kind"] for state in states} == {"Connector", "Index", "ImportJob"}
    assert done.site.recorder.violations() == []
    phases = [state["status"].get("phase") for state in states if state["kind"] == "ImportJob"]
    assert phases[-1] == "Completed"
