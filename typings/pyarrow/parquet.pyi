from pathlib import Path
from typing import Any

from . import Table

def write_table(table: Table, where: str | Path, *, compression: str = ...) -> None: ...
def read_table(source: str | Path, **options: Any) -> Table: ...
