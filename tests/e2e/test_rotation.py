"""Credentials that are rotated in the middle of an import: no restart, no file lost, none imported twice."""

from __future__ import annotations

import json

from tests.support.installed_system import ImportSite, InstalledSystem, counts, imported_of, reason_of, wait_until
from tests.support.world import is_ready
from tools.sample_media import generate_small

BUCKET = "e2e-rotation"
FILES = 240
SLOW_SECONDS = 3.0
KUBELET_SECONDS = 240.0
"""The kubelet brings a changed Secret into running pods within about a minute and a half."""


def allow(system: InstalledSystem, *users: str) -> None:
    resources = [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
    rule = {"Effect": "Allow", "Principal": {"AWS": list(users)}, "Action": "s3:*", "Resource": resources}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [rule]})
    system.s3.put_bucket_policy(Bucket=BUCKET, Policy=policy)


def keys_of(system: InstalledSystem, user: str) -> dict[str, str]:
    secret = f"{user}-secret-key-{'x' * 12}"
    system.gateway.create_user(user, secret)
    return system.remember({"accessKeyId": user, "secretAccessKey": secret})


def connect(site: ImportSite, keys: dict[str, str]) -> None:
    block = {"bucket": BUCKET, "region": "us-east-1", "endpoint": site.system.proxy.endpoint, "forcePathStyle": True}
    site.world.create_secret("rotating", **keys)
    spec = {"provider": "s3", "s3": block, "credentialsSecretRef": {"name": "rotating"}}
    site.world.create("Connector", "rotating", spec)
    site.world.wait("Connector", "rotating", is_ready)


def test_keys_are_rotated_in_the_middle_of_an_import(system: InstalledSystem, tmp_path) -> None:
    system.upload(BUCKET, tmp_path, generate_small(tmp_path, FILES))
    site = system.site("rotation")
    old, new = keys_of(system, "before"), keys_of(system, "behind")
    allow(system, "before", "behind")
    usual, system.proxy.delay = system.proxy.delay, SLOW_SECONDS
    try:
        connect(site, old)
        run_id = site.create_import("rotating", "rotating")
        wait_until("a file is imported", lambda: imported_of(system, run_id) > 0, seconds=150)
        assert imported_of(system, run_id) < FILES, "the import was over before its keys could be rotated"
        status, text = site.world.patch("Secret", "rotating", {"stringData": new})
        assert status == 200, text
        system.gateway.delete_user("before")
    finally:
        system.proxy.delay = usual
    job = site.wait_ready("rotating", KUBELET_SECONDS)
    assert counts(job) == {"totalFiles": FILES, "imported": FILES, "failed": 0, "skipped": 0}
    assert reason_of(job) == ("Completed", "True", "Completed")
    assert imported_of(system, run_id) == FILES
    [child] = site.jobs_of("rotating")
    assert child["status"].get("failed", 0) == 0, "a pod was restarted"
