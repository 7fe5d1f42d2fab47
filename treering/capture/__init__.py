"""What surrounds a training: code, environment, console, machine. Nothing here knows of runs or stores.

Each part answers with plain data and never raises for what it finds around it: a fact that cannot be had is absent.
"""
