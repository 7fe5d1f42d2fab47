"""What the adapters use of Ray, which is not installed where types are checked."""

__version__: str
