"""Whose credentials go to the operator: those of the kubeconfig, whatever form they have."""

from __future__ import annotations

import base64
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.client_certificates import Authority
from videovector_operator.cli.credentials import Credentials, build_exec_info, read_credentials, run_login_plugin
from videovector_operator.cli.failures import CommandError

Json = dict[str, Any]


def config(user: Json, cluster: Json | None = None) -> Json:
    return {"users": [{"name": "u", "user": user}], "clusters": [{"name": "c", "cluster": cluster or {}}]}


def encoded(text: bytes) -> str:
    return base64.b64encode(text).decode()


def test_a_token() -> None:
    assert read_credentials(config({"token": "abc"})).token == "abc"


def test_a_token_file_goes_before_a_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    assert read_credentials(config({"tokenFile": str(tmp_path / "token"), "token": "old"})).token == "from-file"
    with pytest.raises(CommandError, match="tokenFile cannot be read: No such file"):
        read_credentials(config({"tokenFile": str(tmp_path / "none")}))


def test_the_token_of_an_identity_provider() -> None:
    provider = {"name": "oidc", "config": {"id-token": "id", "refresh-token": "r"}}
    assert read_credentials(config({"auth-provider": provider})).token == "id"


def test_a_client_certificate_goes_into_tls_and_stays_on_no_disk(tmp_path: Path) -> None:
    identity = Authority(tmp_path).issue("ann")
    user = {
        "client-certificate-data": encoded(identity.certificate.read_bytes()),
        "client-key-data": encoded(identity.key.read_bytes()),
    }
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    found = read_credentials(config(user))
    found.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), workspace=temporary)
    assert list(temporary.iterdir()) == []
    assert "PRIVATE" not in repr(found)


def test_a_certificate_that_cannot_be_read_is_explained() -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        Credentials(certificate=b"no", key=b"no").load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    with pytest.raises(CommandError, match="client-certificate-data is not base64"):
        read_credentials(config({"client-certificate-data": "?"}))


PLUGIN = """
import json, os, sys
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
print("please log in", file=sys.stderr)
print(json.dumps({"kind": "ExecCredential", "apiVersion": info["apiVersion"],
    "status": {"token": "-".join([sys.argv[1], os.environ["EXTRA"], info["spec"].get("cluster", {}).get("server", "")])}}))
"""


def plugin(tmp_path: Path, text: str, **changes: Any) -> Json:
    script = tmp_path / "plugin.py"
    script.write_text(text)
    return {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(script), "argument"],
        "env": [{"name": "EXTRA", "value": "environment"}],
        **changes,
    }


def test_a_login_plugin_is_run_as_kubectl_does(tmp_path: Path) -> None:
    entry = plugin(tmp_path, PLUGIN, provideClusterInfo=True)
    found = read_credentials(config({"exec": entry}, {"server": "https://k8s", "insecure-skip-tls-verify": True}))
    assert found.token == "argument-environment-https://k8s"


def test_a_login_plugin_may_give_a_certificate() -> None:
    status = {"clientCertificateData": "CERT", "clientKeyData": "KEY"}
    found = read_credentials(config({"exec": {"command": "x"}}), lambda *_: status)
    assert (found.certificate, found.key, found.token) == (b"CERT", b"KEY", None)


def test_a_plugin_is_told_of_the_cluster_only_if_it_asks() -> None:
    entry = {"apiVersion": "client.authentication.k8s.io/v1"}
    assert build_exec_info(entry, {"server": "s"}, interactive=True)["spec"] == {"interactive": True}


def test_a_plugin_gets_what_the_cluster_keeps_for_it() -> None:
    entry = {"apiVersion": "client.authentication.k8s.io/v1", "provideClusterInfo": True}
    extensions = [
        {"name": "other", "extension": {"audience": "theirs"}},
        {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "ours", "deep": [1, {"a": None}]}},
    ]
    cluster = {"server": "s", "disable-compression": True, "extensions": extensions}
    info = build_exec_info(entry, cluster, interactive=False)
    assert info["spec"]["cluster"] == {
        "server": "s",
        "disable-compression": True,
        "config": {"audience": "ours", "deep": [1, {"a": None}]},
    }
    assert "cluster" not in build_exec_info({}, cluster, interactive=False)["spec"]


FAILING = {
    "it fails": ("import sys; sys.exit(7)", r"failed \(exit code 7\)"),
    "it prints nothing": ("", "is no ExecCredential"),
    "it prints something else": ("print('[]')", "is no ExecCredential"),
    "it gives nothing": ("print('{\"status\": {}}')", "neither a token nor a client certificate"),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_login_plugin_that_does_not_do(tmp_path: Path, name: str) -> None:
    text, words = FAILING[name]
    with pytest.raises(CommandError, match=words) as caught:
        read_credentials(config({"exec": plugin(tmp_path, text)}))
    assert caught.value.code == 3


def test_a_login_plugin_that_is_not_there() -> None:
    with pytest.raises(CommandError, match="cannot be started: No such file"):
        run_login_plugin({"command": "/nowhere/at/all"}, {})


UNUSABLE = {
    "somebody else": ({"token": "a", "as": "admin"}, "impersonates somebody"),
    "a password": ({"username": "a", "password": "secret-password"}, "neither a token nor a client certificate"),
    "nothing": ({}, "neither a token nor a client certificate"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_the_operator_cannot_verify_is_explained(name: str) -> None:
    user, words = UNUSABLE[name]
    with pytest.raises(CommandError, match=words) as caught:
        read_credentials(config(user))
    assert "secret-password" not in caught.value.message


def test_no_kubeconfig_and_no_pod() -> None:
    with pytest.raises(CommandError, match="this is no pod with a service account"):
        read_credentials({})
    assert "abc" not in repr(Credentials(token="abc"))
