"""Questions to the API server about people: the same answers from the fake and a real one."""

from __future__ import annotations

from typing import Any, Protocol

import pytest

from tests.contract.cluster_worlds import FakeWorld, RealWorld
from tests.support.cluster_users import wait_until_allowed
from tools.devcluster.fixtures import DevCluster
from videovector_operator.cluster.port import Cluster
from videovector_operator.core.keys import ObjectKey
from videovector_operator.operator_api.access import Wish, build_review
from videovector_operator.operator_api.caller import Caller, observe_caller
from videovector_operator.operator_api.problems import ApiProblem
from videovector_operator.operator_api.trust import CLIENT_CA

pytest_plugins = ["tests.contract.cluster_servers"]
pytestmark = pytest.mark.contract

Json = dict[str, Any]


class People(Protocol):
    """An API server that knows the service account "reader" of its namespace."""

    cluster: Cluster
    namespace: str
    token: str


class FakePeople(FakeWorld):
    token = "fake-token-of-reader"

    def __init__(self) -> None:
        super().__init__()
        name = f"system:serviceaccount:{self.namespace}:reader"
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{self.namespace}", "system:authenticated"]
        self.fake.reviews.tokens[self.token] = {"username": name, "uid": "1", "groups": groups}
        self.fake.reviews.rights.add((name, self.namespace, "connectors/browse"))
        where = {"name": CLIENT_CA.name, "namespace": CLIENT_CA.namespace}
        data = {"client-ca-file": "-----BEGIN CERTIFICATE-----\n"}
        self.fake.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": where, "data": data})


class RealPeople:
    def __init__(self, world: RealWorld, devcluster: DevCluster) -> None:
        self.cluster = world.cluster
        self.namespace = world.namespace
        kubectl, here = devcluster.run_kubectl, ("-n", world.namespace)
        kubectl(*here, "create", "serviceaccount", "reader")
        rule = ("--verb=get", "--resource=connectors.videovector.io/browse")
        kubectl(*here, "create", "role", "reader", *rule)
        kubectl(*here, "create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={world.namespace}:reader")
        self.token = kubectl(*here, "create", "token", "reader").strip()
        who = f"--as=system:serviceaccount:{world.namespace}:reader"
        wait_until_allowed(kubectl, "get", "connectors.videovector.io", "--subresource=browse", who, *here)


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.cluster)])
def people(request: pytest.FixtureRequest) -> People:
    if request.param == "fake":
        return FakePeople()
    return RealPeople(request.getfixturevalue("real_world"), request.getfixturevalue("crds_installed"))


async def allowed(cluster: Cluster, caller: Caller, wish: Wish) -> bool:
    answer = await cluster.create(build_review(caller, wish))
    assert answer is not None
    return answer["status"].get("allowed") is True


async def test_a_token_tells_who_it_is(people: People) -> None:
    caller = await observe_caller(people.cluster, None, f"Bearer {people.token}")
    assert caller.name == f"system:serviceaccount:{people.namespace}:reader"
    assert {"system:authenticated", f"system:serviceaccounts:{people.namespace}"} <= set(caller.groups)
    assert caller.uid


@pytest.mark.parametrize("token", ["no-token-at-all", "eyJhbGciOiJSUzI1NiJ9.e30.AAAA"])
async def test_a_strangers_token_is_nobody(people: People, token: str) -> None:
    with pytest.raises(ApiProblem) as caught:
        await observe_caller(people.cluster, None, f"Bearer {token}")
    assert caught.value.status == 401


async def test_rights_are_of_one_subresource_in_one_namespace(people: People) -> None:
    caller = await observe_caller(people.cluster, None, f"Bearer {people.token}")
    here = people.namespace
    assert await allowed(people.cluster, caller, Wish("connectors", "browse", here, "any"))
    assert not await allowed(people.cluster, caller, Wish("connectors", "browse", "default", "any"))
    assert not await allowed(people.cluster, caller, Wish("connectors", "", here, "any"))
    assert not await allowed(people.cluster, caller, Wish("importjobs", "files", here, "any"))
    assert not await allowed(people.cluster, Caller("somebody"), Wish("connectors", "browse", here, "any"))


async def test_groups_count(people: People) -> None:
    stranger = Caller("stranger", groups=("system:masters",))
    if isinstance(people, FakePeople):
        people.fake.reviews.rights.add(("system:masters", people.namespace, "connectors/browse"))
    assert await allowed(people.cluster, stranger, Wish("connectors", "browse", people.namespace, "x"))


async def test_the_client_ca_is_where_we_look_for_it(people: People) -> None:
    body = await people.cluster.get(CLIENT_CA)
    assert body is not None
    assert body["data"]["client-ca-file"].startswith("-----BEGIN CERTIFICATE-----")


async def test_questions_are_kept_nowhere(people: People) -> None:
    await observe_caller(people.cluster, None, f"Bearer {people.token}")
    assert await people.cluster.get(ObjectKey("TokenReview", "", "x")) is None
