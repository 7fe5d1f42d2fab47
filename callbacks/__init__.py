"""What a user passes to `Trainer(...)`, `fit(...)` or `learn(...)`: one module per framework.

`from treering.callbacks.keras import TreeringCallback`; importing this package loads no framework.
"""

from __future__ import annotations

if __name__ != "treering.callbacks":
    raise ImportError(f"import 'treering.callbacks', not {__name__!r}: two copies of a class are never equal")
