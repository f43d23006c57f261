import pytest

from videovector_operator.catalog.postgres import PostgresCatalog
from videovector_operator.errors import CatalogUnavailable


async def test_a_dsn_that_cannot_be_read_is_refused_without_being_quoted() -> None:
    with pytest.raises(CatalogUnavailable) as caught:
        PostgresCatalog("host=db password=hunter2 hunter2")

    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__cause__ is None
