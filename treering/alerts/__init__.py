"""Telling people: conditions on runs, and where to send word of them.

`conditions` reads what a rule watches for, `ledger` keeps rules and alerts in the store, `watcher` looks at runs,
`targets` reads who is told, `sending` tells them, and `reaching` keeps that from reaching into private networks.
"""

from __future__ import annotations

from treering.alerts.conditions import Condition, parse_condition
from treering.alerts.ledger import Alert, Ledger, Rule, open_ledger
from treering.alerts.targets import Target, Targets, load_targets, targets_file
from treering.alerts.watcher import Watcher

__all__ = [
    "Alert",
    "Condition",
    "Ledger",
    "Rule",
    "Target",
    "Targets",
    "Watcher",
    "load_targets",
    "open_ledger",
    "parse_condition",
    "targets_file",
]
