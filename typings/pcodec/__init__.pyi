"""What of pcodec we use; it ships no types."""

from . import standalone as standalone

class ChunkConfig:
    def __init__(self) -> None: ...
