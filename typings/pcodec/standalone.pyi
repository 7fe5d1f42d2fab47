from typing import Any

import numpy.typing as npt

from . import ChunkConfig

def simple_compress(src: npt.NDArray[Any], config: ChunkConfig) -> bytes: ...

class Progress:
    n_processed: int
    finished: bool

def simple_decompress_into(src: bytes, dst: npt.NDArray[Any]) -> Progress: ...
def simple_decompress(src: bytes) -> npt.NDArray[Any]: ...
