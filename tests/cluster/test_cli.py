"""`kubectl videovector` as users run it, on a real API server with the operator as a process; its pods are processes too.

A port-forward needs a kubelet, so the operator is reached by --server here; the tunnel is shown end to end.
"""

from __future__ import annotations

import csv
import io
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.client_certificates import Authority
from tests.support.cluster_users import People
from tests.support.imports import GOOD, fill_folder, run_spec
from tests.support.local_kubelet import LocalKubelet
from tests.support.operator_process import OperatorProcess
from tests.support.plugin_process import Done, Plugin, all_commands, children_of, end
from tests.support.world import World, is_ready, is_stalled
from tools.devcluster.fixtures import DevCluster

Json = dict[str, Any]


@pytest.fixture
def plugin(api_cluster: DevCluster, tmp_path: Path) -> Plugin:
    directory = tmp_path / "plugins"
    directory.mkdir()
    return Plugin(directory, api_cluster.kubectl)


@pytest.fixture
def people(api_cluster: DevCluster, namespace: str, tmp_path: Path) -> People:
    return People(api_cluster, namespace, tmp_path)


@pytest.fixture
def archive(world: World, operator: OperatorProcess, connector_spec, credentials, s3) -> World:
    fill_folder(s3, f"{world.namespace}/")
    world.create("Connector", "archive", connector_spec)
    world.create("Index", "films", {})
    world.wait("Connector", "archive", is_ready)
    return world


@pytest.fixture
def imported(archive: World) -> Iterator[World]:
    with LocalKubelet(archive):
        archive.create("ImportJob", "first", run_spec(f"{archive.namespace}/"))
        archive.wait("ImportJob", "first", is_ready, 60)
        yield archive


@pytest.fixture
def server(operator: OperatorProcess) -> dict[str, str]:
    return {"KUBECTL_VIDEOVECTOR_SERVER": f"https://127.0.0.1:{operator.api_port}"}


def test_browse_by_every_kind_of_login(archive: World, plugin: Plugin, people: People, server: dict[str, str]) -> None:
    here = archive.namespace
    users = (
        people.by_token("reader", "view"),
        people.by_certificate("rita", (f"crew-{here}",), "view"),
        people.by_plugin("robot", "view"),
    )
    for user in users:
        done = plugin.run(
            user.kubeconfig, "browse", "archive", "--prefix", f"{here}/", "--pattern", "*.wav", env=server
        )
        assert (done.code, done.err) == (0, ""), (user.name, done)
        assert done.lines[0].split() == ["PATH", "SIZE", "LAST", "MODIFIED", "EXTENSION"]
        assert [line.split()[0] for line in done.lines[1:]] == [
            f"{here}/empty.wav",
            *(f"{here}/good-{n}.wav" for n in range(GOOD)),
        ]
    options = ("--prefix", f"{here}/", "-o", "json", "--limit", "2")
    reply = json.loads(plugin.run(users[0].kubeconfig, "browse", "archive", *options, env=server).out)
    assert [item["name"] for item in reply["items"]] == ["broken.mp4", "empty.wav"]
    assert reply["truncated"] is True


def test_files_of_an_import_in_every_format(
    imported: World, plugin: Plugin, people: People, server: dict[str, str]
) -> None:
    reader = people.by_token("reader", "view")

    def files(*options: str) -> Done:
        done = plugin.run(reader.kubeconfig, "files", "first", *options, env=server)
        assert done.code == 0, done
        return done

    here = imported.namespace
    everything = json.loads(files("-o", "json").out)
    assert {file["path"]: (file["state"], file["reason"]) for file in everything} == {
        **{f"{here}/good-{n}.wav": ("imported", "") for n in range(GOOD)},
        f"{here}/broken.mp4": ("failed", "UnreadableMedia"),
        f"{here}/empty.wav": ("skipped", "ZeroBytes"),
        f"{here}/notes.txt": ("skipped", "UnsupportedType"),
    }
    rows = list(csv.DictReader(io.StringIO(files("-o", "csv", "--state", "skipped").out)))
    assert [row["reason"] for row in rows] == ["ZeroBytes", "UnsupportedType"]
    table = files("--reason", "UnreadableMedia").lines
    assert len(table) == 2
    assert table[1].split()[:2] == ["failed", "UnreadableMedia"]
    assert f"{here}/broken.mp4" in table[1]
    assert files("--state", "pending").err == "No such files.\n"


def test_the_status_names_the_command_that_works(
    archive: World, plugin: Plugin, people: People, server: dict[str, str], s3
) -> None:
    for number in range(51):
        s3.put_object(Bucket="media", Key=f"{archive.namespace}/many/{number:03}.txt", Body=b"x")
    with LocalKubelet(archive):
        archive.create("ImportJob", "many", run_spec(f"{archive.namespace}/many/"))
        body = archive.wait("ImportJob", "many", is_ready, 60)
    assert body["status"]["truncatedLists"] == ["skippedFiles"]
    command = body["status"]["fullLists"].split()
    assert command[:2] == ["kubectl", "videovector"]
    reader = people.by_token("reader", "view")
    done = plugin.run(reader.kubeconfig, *command[2:], "--state", "skipped", "-o", "json", env=server)
    assert len(json.loads(done.out)) == 51


def test_test_asks_for_a_new_test_and_says_what_is_allowed(
    archive: World, plugin: Plugin, people: People, connector_spec
) -> None:
    editor = people.by_token("editor", "view", "edit")
    done = plugin.run(editor.kubeconfig, "test", "archive")
    assert done.code == 0, done
    words = [line.split()[:2] for line in done.lines]
    assert words[0] == ["ACTION", "RESULT"]
    assert ["list", "allowed"] in words
    assert ["read", "allowed"] in words
    assert done.lines[-1].startswith("connector/archive ConnectionTested: ")
    body = archive.get("Connector", "archive")
    assert body is not None
    assert body["status"]["lastHandledRequest"].startswith("kubectl-videovector-")

    archive.create("Connector", "broken", {**connector_spec, "credentialsSecretRef": {"name": "none"}})
    archive.wait("Connector", "broken", is_stalled)
    done = plugin.run(editor.kubeconfig, "test", "broken")
    assert done.code == 1
    assert "connector/broken SecretNotFound: " in done.out
    assert plugin.run(editor.kubeconfig, "test", "unknown").code == 1


def test_cancel_is_honest(archive: World, plugin: Plugin, people: People) -> None:
    editor = people.by_token("editor", "view", "edit")
    # No pod runs here, so the run waits for its workers until it is cancelled.
    archive.create("ImportJob", "waiting", run_spec(f"{archive.namespace}/"))
    archive.wait("ImportJob", "waiting", lambda body: bool(body["status"].get("jobName")))
    done = plugin.run(editor.kubeconfig, "cancel", "waiting", "--wait")
    assert (done.code, done.out) == (0, "importjob/waiting is cancelled (0 imported, 0 failed, 0 skipped)\n"), done
    done = plugin.run(editor.kubeconfig, "cancel", "waiting")
    assert (done.code, done.out.startswith("importjob/waiting was cancelled before")) == (0, True), done
    assert plugin.run(editor.kubeconfig, "cancel", "unknown").code == 1


def test_cancelling_a_finished_import_is_exit_code_1(imported: World, plugin: Plugin, people: People) -> None:
    editor = people.by_token("editor", "view", "edit")
    done = plugin.run(editor.kubeconfig, "cancel", "first")
    assert done.code == 1
    assert "has ended already: Completed (6 imported, 1 failed, 2 skipped)" in done.out


def test_status_shows_what_is_wrong_first(archive: World, plugin: Plugin, people: People, connector_spec) -> None:
    reader = people.by_token("reader", "view")
    assert plugin.run(reader.kubeconfig, "status").code == 0
    archive.create("Connector", "broken", {**connector_spec, "credentialsSecretRef": {"name": "none"}})
    archive.wait("Connector", "broken", is_stalled)
    done = plugin.run(reader.kubeconfig, "status")
    assert done.code == 1
    assert done.lines[1].split()[:3] == ["Stalled", "connector/broken", "SecretNotFound"]
    assert {line.split()[0] for line in done.lines[2:]} == {"Ready"}
    everywhere = plugin.run(people.by_certificate("adam", ("system:masters",)).kubeconfig, "status", "-A")
    assert any(line.split()[:3] == [archive.namespace, "Stalled", "connector/broken"] for line in everywhere.lines)


def test_whoever_may_not_is_told_whom_to_ask_for_what(
    archive: World, plugin: Plugin, people: People, server: dict[str, str]
) -> None:
    here = archive.namespace
    nobody = people.by_token("nobody").kubeconfig
    reader = people.by_token("reader", "view").kubeconfig
    view = f'in namespace "{here}": ask for the ClusterRole view there'
    cases: dict[tuple[Path, str], tuple[tuple[str, ...], str]] = {
        (nobody, "status"): ((), f"you may not list connectors {view}"),
        (nobody, "logs"): (("first",), f"you may not get importjobs {view}"),
        (nobody, "browse"): (("archive",), "may not get connectors/browse"),
        (nobody, "files"): (("first",), "may not get importjobs/files"),
        (reader, "test"): (
            ("archive",),
            f'you may not patch connectors in namespace "{here}": ask for the ClusterRole edit',
        ),
        (reader, "cancel"): (
            ("first",),
            f'you may not patch importjobs in namespace "{here}": ask for the ClusterRole edit',
        ),
    }
    archive.create("ImportJob", "first", run_spec(f"{here}/"))
    for (kubeconfig, command), (arguments, words) in cases.items():
        done = plugin.run(kubeconfig, command, *arguments, env=server)
        assert (done.code, done.out) == (3, ""), (command, done)
        assert words in done.err, (command, done.err)
    done = plugin.run(reader, "status", "-A")
    assert done.code == 3
    assert "you may not list connectors in all namespaces" in done.err
    done = plugin.run(reader, "status", "-n", "default")
    assert 'in namespace "default"' in done.err
    done = plugin.run(reader, "browse", "archive")
    assert done.code == 3
    assert 'you may not list pods in namespace "videovector-system": ask for the Role …-cli' in done.err
    assert "name its namespace with --operator-namespace" in done.err


def test_a_pod_that_calls_itself_the_operator_is_not_connected_to(
    world: World, plugin: Plugin, people: People, connector_spec
) -> None:
    world.create("Connector", "archive", connector_spec)
    labels = {"videovector.io/operator-api": "true"}
    trap = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "trap", "namespace": world.namespace, "labels": labels},
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [{"name": "trap", "image": "trap", "ports": [{"name": "api", "containerPort": 8443}]}],
        },
    }
    world.cluster.run_kubectl("apply", "-f", "-", stdin=json.dumps(trap))
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    world.cluster.run_kubectl(
        *(
            "-n",
            world.namespace,
            "patch",
            "pod",
            "trap",
            "--subresource=status",
            "--type=merge",
            "-p",
            json.dumps(ready),
        )
    )
    admin = people.by_certificate("adam", ("system:masters",))
    done = plugin.run(admin.kubeconfig, "browse", "archive")
    assert (done.code, done.out) == (3, "")
    assert 'there is no operator in namespace "videovector-system"' in done.err
    assert world.namespace in done.err.partition("pods that call themselves the operator are in: ")[2]
    assert "port-forward" not in done.err


def test_relative_paths_start_at_the_kubeconfig_that_holds_them(
    archive: World, plugin: Plugin, people: People, server: dict[str, str], tmp_path: Path
) -> None:
    user = people.by_token("reader", "view")
    config = json.loads(user.kubeconfig.read_text())
    answer = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": user.token},
    }
    folder = tmp_path / "people"
    folder.mkdir()
    (folder / "token").write_text(str(user.token))
    (folder / "login").write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    (folder / "login").chmod(0o755)
    login = {"apiVersion": answer["apiVersion"], "command": "./login", "interactiveMode": "Never"}
    for entry in ({"tokenFile": "token"}, {"exec": login}):
        (folder / "users").write_text(
            json.dumps({"apiVersion": "v1", "kind": "Config", "users": [{"name": "u", "user": entry}]})
        )
        (tmp_path / "cluster").write_text(json.dumps({**config, "users": []}))
        env = {**server, "KUBECONFIG": f"{tmp_path / 'cluster'}:{folder / 'users'}"}
        done = plugin.run(user.kubeconfig, "browse", "archive", "--limit", "1", env=env)
        assert (done.code, len(done.lines)) == (0, 2), (entry, done)


def test_a_certificate_that_the_operator_does_not_take(
    archive: World, plugin: Plugin, people: People, server: dict[str, str], tmp_path: Path
) -> None:
    reader = people.by_token("reader", "view")
    stranger = people.user_of(Authority(tmp_path, "other").issue("ann"))
    config = json.loads(reader.kubeconfig.read_text())
    path = tmp_path / "both"
    # The API server, too, goes on to the token when it does not know the certificate's authority.
    config["users"][0]["user"] = {**stranger, "token": reader.token}
    path.write_text(json.dumps(config))
    done = plugin.run(path, "browse", "archive", "--limit", "1", env=server)
    assert (done.code, len(done.lines)) == (0, 2), done
    config["users"][0]["user"] = stranger
    path.write_text(json.dumps(config))
    done = plugin.run(path, "browse", "archive", env=server)
    assert (done.code, done.out) == (3, "")
    assert "does not accept the client certificate of your kubeconfig" in done.err
    assert "with a bearer token of the cluster" in done.err


def test_contexts_and_namespaces_are_those_of_kubectl(
    world: World, plugin: Plugin, people: People, connector_spec
) -> None:
    world.create("Connector", "archive", connector_spec)
    reader = people.by_token("reader", "view").kubeconfig
    assert "connector/archive" in plugin.run(reader, "status").out
    assert 'namespace "default"' in plugin.run(reader, "--context", "elsewhere", "status").err
    assert "connector/archive" in plugin.run(reader, "status", "--context", "elsewhere", "-n", world.namespace).out
    done = plugin.run(Path("/nowhere"), "status", "--kubeconfig", str(reader))
    assert "connector/archive" in done.out
    done = plugin.run(reader, "status", "--context", "no-such-context")
    assert done.code == 3
    assert "no-such-context" in done.err


def test_a_cluster_that_does_not_answer_is_exit_code_3(plugin: Plugin, people: People, tmp_path: Path) -> None:
    config = json.loads(people.by_token("reader").kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    path = tmp_path / "down"
    path.write_text(json.dumps(config))
    done = plugin.run(path, "status")
    assert done.code == 3
    assert "connection refused" in done.err
    config["clusters"][0]["cluster"] = json.loads(people.by_token("reader").kubeconfig.read_text())["clusters"][0][
        "cluster"
    ]
    config["users"][0]["user"] = {"token": "no-such-token"}
    path.write_text(json.dumps(config))
    done = plugin.run(path, "status")
    assert done.code == 3
    assert "does not accept your credentials" in done.err
    assert "no-such-token" not in done.err


def test_names_are_completed_by_kubectl(imported: World, plugin: Plugin, people: People) -> None:
    reader = people.by_token("reader", "view").kubeconfig
    assert [line.partition("\t")[0] for line in plugin.complete(reader, "")] == [
        "browse",
        "test",
        "files",
        "logs",
        "cancel",
        "status",
    ]
    assert plugin.complete(reader, "browse", "") == ["archive"]
    assert plugin.complete(reader, "files", "f") == ["first"]
    assert plugin.complete(reader, "files", "x") == []
    assert plugin.complete(people.by_token("nobody").kubeconfig, "browse", "") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_was_started_ends_with_the_command(
    world: World, plugin: Plugin, people: People, number: signal.Signals
) -> None:
    reader = people.by_token("reader", "view")
    # Nobody looks at it, so it does not end.
    world.create("ImportJob", "waiting", run_spec("in/"))
    process = plugin.start(reader.kubeconfig, "logs", "waiting", "--follow")
    deadline = time.monotonic() + 60
    while not (children := [line for line in children_of(process.pid) if "proxy" in line]):
        assert time.monotonic() < deadline, "no kubectl proxy was started"
        time.sleep(0.05)
    (socket,) = [word.partition("=")[2] for word in children[0].split() if word.startswith("--unix-socket=")]
    while not Path(socket).exists():
        assert time.monotonic() < deadline, "the proxy does not serve"
        time.sleep(0.05)
    assert Path(socket).parent.stat().st_mode & 0o077 == 0, "others can reach it"
    assert end(process, number) == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}[number]
    assert not Path(socket).parent.exists()
    assert not any(socket in line for line in all_commands())
