"""One module for each measure.

A module holds `FIGURES` (rows of the table), `PARAMETERS` and `REPEATS` for the sizes "full" and "tiny",
`rep(bench)` which runs one repetition from outside, and `child(tracker, parameters, scratch, control)` which runs in
the measured process and returns plain numbers.
"""
