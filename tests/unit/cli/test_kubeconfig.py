"""Relative paths of kubeconfigs, as client-go resolves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from videovector_operator.cli.kubeconfig import kubeconfig_files, resolve_paths

Json = dict[str, Any]


def write(path: Path, *users: Json) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "users": list(users)}))
    return path


def user(name: str = "ann", **changes: Any) -> Json:
    return {"name": name, "user": changes}


def resolved(entry: Json, *files: Path) -> Json:
    found: Json = resolve_paths({"users": [entry], "current-context": "c"}, files)["users"][0]["user"]
    return found


def test_paths_start_at_the_folder_of_their_file(tmp_path: Path) -> None:
    entry = user(tokenFile="keys/token", exec={"command": "./bin/login", "args": ["./stays"]})
    file = write(tmp_path / "kube" / "config", entry)
    assert resolved(entry, file) == {
        "tokenFile": str(tmp_path / "kube" / "keys" / "token"),
        "exec": {"command": str(tmp_path / "kube" / "bin" / "login"), "args": ["./stays"]},
    }


def test_the_first_file_that_names_the_user_is_meant(tmp_path: Path) -> None:
    entry = user(tokenFile="token")
    files = (
        tmp_path / "missing",
        write(tmp_path / "a" / "config", user("bob", tokenFile="token")),
        write(tmp_path / "b" / "config", entry),
        write(tmp_path / "c" / "config", entry),
    )
    assert resolved(entry, *files)["tokenFile"] == str(tmp_path / "b" / "token")


def test_a_kubeconfig_that_is_named_relatively(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = user(tokenFile="token")
    write(tmp_path / "kube" / "config", entry)
    monkeypatch.chdir(tmp_path)
    assert resolved(entry, Path("kube/config"))["tokenFile"] == str(tmp_path / "kube" / "token")


UNTOUCHED: dict[str, Json] = {
    "an absolute token file": user(tokenFile="/run/token"),
    "a command on PATH": user(exec={"command": "login"}),
    "an absolute command": user(exec={"command": "/usr/bin/login"}),
    "a token": user(token="abc"),
    "nothing": user(),
}


@pytest.mark.parametrize("name", UNTOUCHED)
def test_other_entries_stay_as_they_are(tmp_path: Path, name: str) -> None:
    entry = UNTOUCHED[name]
    assert resolved(entry, write(tmp_path / "config", entry)) == entry["user"]


def test_a_command_on_path_stays_beside_a_relative_token_file(tmp_path: Path) -> None:
    entry = user(tokenFile="token", exec={"command": "login"})
    assert resolved(entry, write(tmp_path / "config", entry))["exec"] == {"command": "login"}


@pytest.mark.parametrize("text", ["", "[", "- 1", "users: 7", "users: [7]", "\xff"])
def test_files_that_cannot_be_read_name_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text, encoding="latin-1")
    entry = user(tokenFile="token")
    assert resolved(entry, tmp_path / "config") == entry["user"]
    assert resolve_paths({}, [tmp_path / "config"]) == {}


def test_which_files_are_read(tmp_path: Path) -> None:
    listed = {"KUBECONFIG": ":a/config::/b/config:"}
    assert kubeconfig_files("mine", listed, tmp_path) == [Path("mine")]
    assert kubeconfig_files(None, listed, tmp_path) == [Path("a/config"), Path("/b/config")]
    assert kubeconfig_files(None, {}, tmp_path) == [tmp_path / ".kube" / "config"]
    assert kubeconfig_files(None, {"KUBECONFIG": ""}, tmp_path) == [tmp_path / ".kube" / "config"]
