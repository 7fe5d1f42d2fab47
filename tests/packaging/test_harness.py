"""The house's own fixtures keep their promises."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

CONFTEST = Path(__file__).parents[1] / "conftest.py"


def outcomes(folder: Path, sources: dict[str, str], **environ: str) -> dict[str, str]:
    """Each file's outcome in a pytest of its own with the real conftest: one test or one broken import a file."""
    shutil.copyfile(CONFTEST, folder / "conftest.py")
    for name, source in sources.items():
        (folder / f"test_{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rA",
        "--continue-on-collection-errors",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        folder,
        folder,
    ]
    environ = {**os.environ, **environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(list(map(str, command)), env=environ, capture_output=True, text=True, check=False)
    lines = re.findall(r"^(PASSED|FAILED|ERROR|SKIPPED|XFAIL)\b.*?test_(\w+)\.py", done.stdout, flags=re.MULTILINE)
    return {name: outcome for outcome, name in lines}


ASKED = {
    "call": "import pytest\ndef test_a():\n    pytest.skip('why')",
    "mark": "import pytest\n@pytest.mark.skip\ndef test_a(): pass",
    "setup": "import pytest\n@pytest.fixture\ndef f(): pytest.skip('why')\ndef test_a(f): pass",
    "module": "import pytest\npytest.importorskip('there_is_no_such_module')\ndef test_a(): pass",
    "xfail": "import pytest\n@pytest.mark.xfail\ndef test_a(): assert False",
    "home": """
        import os
        from pathlib import Path
        def test_a():
            assert Path.home() != Path(os.environ["REAL"])
            assert [name for name in os.environ if name.startswith("TREERING_")] == ["TREERING_NO_SKIP"]
            assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    """,
}


def test_a_skip_must_be_asked_for(tmp_path: Path) -> None:
    found = outcomes(tmp_path, ASKED, TREERING_NO_SKIP="1", TREERING_DIR="/nowhere", REAL=str(Path.home()))
    broken = {"call": "FAILED", "mark": "ERROR", "setup": "ERROR", "module": "ERROR"}
    assert found == {**broken, "xfail": "XFAIL", "home": "PASSED"}


def test_skips_stay_skips_elsewhere(tmp_path: Path) -> None:
    skips = {name: ASKED[name] for name in ("call", "mark", "setup", "module")}
    assert outcomes(tmp_path, skips, TREERING_NO_SKIP="") == dict.fromkeys(skips, "SKIPPED")


def test_store_dir_is_named_for_programs_too(store_dir: Path) -> None:
    assert os.environ["TREERING_DIR"] == str(store_dir)
    assert not store_dir.exists()


@given(st.integers())
def test_the_isolation_suits_property_tests(number: int) -> None:
    assert number == number + 0


def test_databases_are_real_separate_and_empty(new_postgres_url: Callable[[], str]) -> None:
    first, second = (sqlalchemy.create_engine(new_postgres_url()) for _ in range(2))
    with first.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE numbers (n BIGINT)")
        assert str(connection.exec_driver_sql("SHOW server_version").scalar()).startswith("18")
    assert sqlalchemy.inspect(first).get_table_names() == ["numbers"]
    assert sqlalchemy.inspect(second).get_table_names() == []
    first.dispose()
    second.dispose()


def test_the_database_listens_on_no_address(postgres_url: str) -> None:
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        row = connection.execute("SHOW listen_addresses").fetchone()
    assert row == ("",)
