"""What treering costs, measured beside the trackers people use today: `python -m benchmarks`.

One module of `measures/` is one row, or a few related rows, of the table; one module of `trackers/` drives one
tracker. Every figure comes from fresh processes, the trackers taking turns so that a busy minute hits them all.
"""
