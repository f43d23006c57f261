"""The queries of the hot path read the small partial indexes, however many files are done."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.catalog_samples import LEASE, make_candidate, make_spec, scan
from tests.contract.catalog_tables import Tables
from videovector_operator.catalog.files import CLAIM
from videovector_operator.catalog.postgres import PostgresCatalog

pytest_plugins = ["tests.contract.catalog_servers"]
pytestmark = pytest.mark.contract

DONE = 20_000


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


@pytest.mark.parametrize("analysed", [True, False], ids=["with statistics", "without statistics"])
async def test_claiming_reads_only_what_is_open(catalog: PostgresCatalog, tables: Tables, analysed: bool) -> None:
    await catalog.admit_run(make_spec())
    await scan(catalog, [make_candidate(f"{number:06}", skip="UnsupportedType") for number in range(DONE)])
    await tables.change("UPDATE run_files SET state = 'pending' WHERE path < '000100'")
    await catalog.claim_files("job_1", "w1", 10, LEASE)
    if analysed:
        await tables.change("ANALYZE run_files")

    values = {"run_id": "'job_1'", "owner": "'w2'", "limit": "10", "lease": "interval '60 s'", "max_attempts": "5"}
    (row,) = await tables.rows("EXPLAIN (ANALYZE, FORMAT JSON) " + CLAIM % values)
    (plan,) = row["QUERY PLAN"] if isinstance(row["QUERY PLAN"], list) else json.loads(row["QUERY PLAN"])
    scans = [
        node for node in nodes(plan["Plan"]) if node.get("Relation Name") == "run_files" and "Scan" in node["Node Type"]
    ]
    assert {"run_files_pending", "run_files_leased"} <= {node["Index Name"] for node in scans if "Index Name" in node}
    assert all("Seq" not in node["Node Type"] for node in scans)
    assert all(node["Actual Rows"] * node["Actual Loops"] <= 100 for node in scans)
