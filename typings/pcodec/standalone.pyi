from typing import Any

import numpy.typing as npt

from . import ChunkConfig

def simple_compress(src: npt.NDArray[Any], config: ChunkConfig) -> bytes: ...
def simple_decompress(src: bytes) -> npt.NDArray[Any]: ...
