"""Says of a missing right what it is, and which role of the chart or of Kubernetes grants it. Pure."""

from __future__ import annotations

from videovector_operator.cli.failures import RightMissingError

_VIEW = "the ClusterRole view there (the chart's …-view extends it)"
_EDIT = "the ClusterRole edit there (the chart's …-edit extends it)"
_CLI = "the Role …-cli of the operator's release there"
_OPERATORS = frozenset({"pods/portforward", "operator pods"})


def refused(verb: str, resource: str, namespace: str | None, said: str = "", *, hint: str = "") -> RightMissingError:
    """Explain a 403. ``resource`` is a plural, "plural/subresource", or "operator pods"; ``said`` is what the API server said.

    ``hint`` is what else may help.
    """
    where = f'in namespace "{namespace}"' if namespace else "in all namespaces"
    what = resource.removeprefix("operator ")
    remedy = f"ask for {_role(verb, resource)}"
    if namespace is None:
        remedy = f"{remedy.replace(' there', ' by a ClusterRoleBinding', 1)}, or name one namespace with -n"
    detail = f"\n  the Kubernetes API says: {said}" if said else ""
    return RightMissingError(f"you may not {verb} {what} {where}: {remedy}{hint}{detail}", said)


def _role(verb: str, resource: str) -> str:
    if resource in _OPERATORS:
        return _CLI
    return _EDIT if verb == "patch" else _VIEW
