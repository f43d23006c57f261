import pytest

from videovector_operator.catalog.dsn import parse_dsn
from videovector_operator.catalog.migrate import migrate
from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.errors import CatalogUnavailable


async def test_a_dsn_that_cannot_be_read_is_refused_without_being_quoted() -> None:
    with pytest.raises(CatalogUnavailable) as caught:
        PostgresCatalog("host=db password=hunter2 hunter2")

    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__cause__ is None


@pytest.mark.parametrize(
    "password",
    ["abc@hunter2", "hunter2@", "hunter2/abc", "hunter2/@", "abc:hunter2@x", "abc/hunter2:5", "hunter2#/"],
)
async def test_a_password_that_is_not_encoded_becomes_no_host_port_or_database(password: str) -> None:
    for open_catalog in (PostgresCatalog, migrate):
        with pytest.raises(CatalogUnavailable, match="cannot be read") as caught:
            open_catalog(f"postgresql://vv:{password}@127.0.0.1:1/catalog")
        assert "hunter2" not in str(caught.value)
        assert "abc" not in str(caught.value)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://vv:abc%40hunter2%2F@127.0.0.1:1/catalog",
        "postgres://vv:pw@a:1,b:2/catalog?target_session_attrs=read-write",
        "postgresql://vv:pw@/catalog?host=/var/run/postgresql",
        "postgresql://[fd12::1]:5432/catalog?user=vv%40team",
        "host=db user=vv password='abc@hunter2/:' dbname=catalog",
        "host=a,b port=5432, dbname=c@t",
        "",
    ],
)
def test_what_means_what_it_says_is_read(dsn: str) -> None:
    assert isinstance(parse_dsn(dsn), dict)
