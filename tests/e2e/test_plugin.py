"""`kubectl videovector` in a real cluster: through port-forward into the operator's pod, and to the logs of real pods."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.cluster_users import People, User
from tests.support.installed_system import ImportSite, InstalledSystem
from tests.support.plugin_process import Plugin, all_commands
from tests.support.world import condition

Json = dict[str, Any]


@dataclass(frozen=True)
class Visit:
    """One namespace with an import that has ended, and people who look at it."""

    site: ImportSite
    plugin: Plugin
    people: People
    by_token: User
    by_certificate: User

    @property
    def namespace(self) -> str:
        """Where the import is."""
        return self.site.world.namespace


@pytest.fixture(scope="module")
def visit(system: InstalledSystem, small_files: list[str], tmp_path_factory: pytest.TempPathFactory) -> Visit:
    site = system.site("plugin")
    site.create_connector("media")
    site.create_import("first", "media", sourcePrefix="small/", parallelism=2)
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "bin").mkdir()
    people = People(system.cluster, site.world.namespace, folder)
    reader, rita = people.by_token("reader", "view"), people.by_certificate("rita", (), "view")
    assert reader.token is not None
    system.remember({"token": reader.token})
    for user in (reader, rita):
        people.grant_tunnel(user, system.release.namespace, f"{system.release.name}-videovector-operator")
    site.wait_ready("first")
    # One pod may have done it all before the other has begun: both have a log when the Job is over.
    [job] = site.jobs_of("first")
    site.world.wait(
        "Job", job["metadata"]["name"], lambda body: condition(body, "Complete").get("status") == "True", 150
    )
    return Visit(site, Plugin(folder / "bin", system.cluster.kubectl), people, reader, rita)


def operator_of(visit: Visit) -> tuple[str, str]:
    return "--operator-namespace", visit.site.system.release.namespace


@pytest.mark.parametrize("who", ["by_token", "by_certificate"])
def test_browse_through_the_tunnel(visit: Visit, small_files: list[str], who: str) -> None:
    user: User = getattr(visit, who)
    done = visit.plugin.run(user.kubeconfig, "browse", "media", "--prefix", "small/", "-o", "json", *operator_of(visit))
    assert done.code == 0, done
    assert [item["path"] for item in json.loads(done.out)["items"]] == sorted(small_files)
    assert not [line for line in all_commands() if str(user.kubeconfig) in line], "something was left running"


def test_the_command_that_a_status_would_name_lists_every_file(visit: Visit, small_files: list[str]) -> None:
    env = {"KUBECTL_VIDEOVECTOR_OPERATOR_NAMESPACE": visit.site.system.release.namespace}
    done = visit.plugin.run(visit.by_token.kubeconfig, "files", "first", "-n", visit.namespace, "-o", "json", env=env)
    assert done.code == 0, done
    assert {file["path"]: file["state"] for file in json.loads(done.out)} == dict.fromkeys(small_files, "imported")


def test_an_operator_elsewhere_is_named_and_not_connected_to(visit: Visit) -> None:
    admin = visit.people.by_certificate("adam", ("system:masters",))
    done = visit.plugin.run(admin.kubeconfig, "browse", "media", "--limit", "1")
    where = visit.site.system.release.namespace
    if "no operator in namespace" in done.err:
        assert (done.code, done.out) == (3, "")
        assert "name its namespace with --operator-namespace" in done.err
        assert where in done.err.partition("call themselves the operator are in: ")[2]
    else:
        # Another system is installed in the usual namespace at this moment: that one was asked.
        assert f'does not watch namespace "{visit.namespace}"' in done.err, done
    done = visit.plugin.run(admin.kubeconfig, "browse", "media", "--limit", "1", *operator_of(visit))
    assert (done.code, len(done.lines)) == (0, 2), done


def test_without_the_role_for_the_tunnel_it_is_named(visit: Visit) -> None:
    stranger = visit.people.by_token("stranger", "view")
    done = visit.plugin.run(stranger.kubeconfig, "browse", "media", *operator_of(visit))
    where = visit.site.system.release.namespace
    assert done.code == 3
    assert f'you may not list pods in namespace "{where}": ask for the Role …-cli' in done.err


def test_with_the_tunnel_alone_nobody_sees_anything(visit: Visit) -> None:
    system = visit.site.system
    passer_by = visit.people.by_token("passer-by")
    visit.people.grant_tunnel(passer_by, system.release.namespace, f"{system.release.name}-videovector-operator")
    done = visit.plugin.run(passer_by.kubeconfig, "browse", "media", *operator_of(visit))
    assert (done.code, done.out) == (3, "")
    assert "may not get connectors/browse" in done.err


def test_logs_of_all_pods_of_an_import(visit: Visit) -> None:
    done = visit.plugin.run(visit.by_token.kubeconfig, "logs", "first")
    assert done.code == 0, done
    pods = {line.partition("] ")[0].removeprefix("[") for line in done.lines}
    assert len(pods) == 2
    for line in done.lines:
        assert json.loads(line.partition("] ")[2])["event"], "each line is whole"
    one = visit.plugin.run(visit.by_token.kubeconfig, "logs", "first", "--tail", "1")
    assert len(one.lines) == 2


def test_logs_are_followed_to_the_end_of_a_running_import(visit: Visit, small_files: list[str]) -> None:
    visit.site.create_connector("slow", slow=True)
    visit.site.create_import("followed", "slow", sourcePrefix="small/")
    process = visit.plugin.start(visit.by_certificate.kubeconfig, "logs", "followed", "--follow")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    body = visit.site.world.get("ImportJob", "followed")
    assert body is not None
    assert body["status"]["phase"] == "Completed"
    told = visit.plugin.run(visit.by_token.kubeconfig, "logs", "followed")
    assert out == told.out
    assert out


def test_status_and_test(visit: Visit) -> None:
    editor = visit.people.by_token("editor", "view", "edit")
    done = visit.plugin.run(editor.kubeconfig, "test", "media")
    assert done.code == 0, done
    done = visit.plugin.run(editor.kubeconfig, "status")
    assert done.code == 0, done
    assert "connector/media" in done.out
    assert "importjob/first" in done.out
