"""The connection test's words for Cloud Storage, and what is particular to its permissions. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from videovector_operator.storage.port import Action, Permission, Verdict

_NEEDED = {
    Action.LIST: ("storage.objects.list", "Storage Object Viewer"),
    Action.READ: ("storage.objects.get", "Storage Object Viewer"),
    Action.WRITE: ("storage.objects.create", "Storage Object User"),
    Action.DELETE: ("storage.objects.delete", "Storage Object User"),
}
REMEDIES = {
    action: f"grant the permission {permission} on the bucket, for instance with the role {role}"
    for action, (permission, role) in _NEEDED.items()
}


def judge_overwriting(permissions: Sequence[Permission]) -> tuple[Permission, ...]:
    """Replacing an object takes the right to delete it: what an earlier test had to leave there says nothing about writing.

    So who may create and not delete is told the same by every test.
    """
    found = {each.action: each for each in permissions}
    write = found.get(Action.WRITE)
    missing = _NEEDED[Action.DELETE][0]
    if write is None or write.verdict is not Verdict.DENIED or missing not in write.message:
        return tuple(permissions)
    message = write.message.replace(REMEDIES[Action.WRITE], REMEDIES[Action.DELETE])
    found[Action.WRITE] = Permission(Action.WRITE, Verdict.ALLOWED)
    found[Action.DELETE] = Permission(Action.DELETE, Verdict.DENIED, write.code, message)
    return tuple(found.values())
