"""What can go wrong, as one tree.

    TreeringError
    |-- UsageError          (ValueError)    an argument or a setting that cannot be taken
    |-- UnsupportedValue    (TypeError)     a value that no column can hold
    |-- NotFound            (LookupError)   a run, project, key or store that is not there
    |-- RunExists           (ValueError)    an id that is taken while `resume="never"`
    |-- MissingFramework    (ImportError)   an adapter without its framework
    `-- StoreError          (OSError)       the store cannot be opened, read or written
        `-- CorruptData                     bytes that do not match their checksum or their format

Each message says what we got, what we take, and what to do. Trouble around a training (a full disk, a store
that went away) is never raised out of `Run.log`: it is a `TreeringWarning`, once for each kind.
"""

from __future__ import annotations

__all__ = [
    "CorruptData",
    "MissingFramework",
    "NotFound",
    "RunExists",
    "StoreError",
    "TreeringError",
    "TreeringWarning",
    "UnsupportedValue",
    "UsageError",
]


class TreeringError(Exception):
    """Base of every error that treering raises on purpose."""


class UsageError(TreeringError, ValueError):
    """An argument, a setting or a name that cannot be taken."""


class UnsupportedValue(TreeringError, TypeError):  # noqa: N818  # says what is wrong, as the builtin beside it does not
    """A value that cannot be stored; the text names its key and the fix."""


class NotFound(TreeringError, LookupError):  # noqa: N818  # says what is wrong, as the builtin beside it does not
    """Something asked for by name that is not in the store."""


class RunExists(TreeringError, ValueError):  # noqa: N818  # says what is wrong, as the builtin beside it does not
    """A run of this id exists and `resume` does not allow going on with it."""


class MissingFramework(TreeringError, ImportError):  # noqa: N818  # says what is wrong, as the builtin beside it does not
    """An adapter was imported where its framework is not installed."""


class StoreError(TreeringError, OSError):
    """The store cannot be opened, read or written."""


class CorruptData(StoreError):  # noqa: N818  # says what is wrong, as the builtin beside it does not
    """Stored bytes that fail their check; the text names the run, the column and the rows."""


class TreeringWarning(UserWarning):
    """Trouble around a training that treering went on in spite of."""
