"""What is not a callback: wrappers, importers and bridges, one module per tool.

Importing this package loads no framework.
"""

from __future__ import annotations

if __name__ != "treering.integrations":
    raise ImportError(f"import 'treering.integrations', not {__name__!r}: two copies of a class are never equal")
