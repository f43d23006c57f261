"""The migrations are complete and packaged; what they do is tested on a real server in tests/contract."""

import subprocess
import sys
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from videovector_operator import catalog
from videovector_operator.catalog.schema import SCHEMA_REVISION


def test_the_newest_migration_is_the_schema_that_the_code_needs() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(catalog.__file__).parent / "migrations"))

    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA_REVISION]


def test_migrations_are_packages_so_that_the_wheel_takes_them() -> None:
    migrations = Path(catalog.__file__).parent / "migrations"

    assert (migrations / "__init__.py").is_file()
    assert (migrations / "versions" / "__init__.py").is_file()


def test_only_the_migration_itself_loads_alembic_and_sqlalchemy() -> None:
    program = (
        "import sys; import videovector_operator.catalog.postgres, videovector_operator.catalog.migrate; "
        "sys.exit(bool({'alembic', 'sqlalchemy'} & set(sys.modules)))"
    )
    package_root = str(Path(catalog.__file__).parents[2])

    done = subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": package_root}, timeout=60, check=False)
    assert done.returncode == 0
