"""What `log` takes beside numbers: sound, charts, histograms, pages, pictures, clouds of points, tables, text, videos.

Each is made from what a training has at hand (arrays, tensors, pictures, data frames) and copies it at once, so that
the training may go on changing its own. Making one imports NumPy or Pillow when it has to, never a framework.
"""

from __future__ import annotations

from treering.media._audio import Audio
from treering.media._base import Blobs, Media, Payload
from treering.media._chart import Chart
from treering.media._histogram import Histogram
from treering.media._html import Html
from treering.media._image import Image
from treering.media._object3d import Object3D
from treering.media._registry import KINDS, digests, load, load_all, store, wrap
from treering.media._table import Table
from treering.media._text import Text
from treering.media._video import Video

__all__ = [
    "KINDS",
    "Audio",
    "Blobs",
    "Chart",
    "Histogram",
    "Html",
    "Image",
    "Media",
    "Object3D",
    "Payload",
    "Table",
    "Text",
    "Video",
    "digests",
    "load",
    "load_all",
    "store",
    "wrap",
]
