"""Artifacts: files and folders kept as versions, each piece of content once.

reading      names, manifest, cutting, packs, backends, depot, index, reading
saving       pinning (leasing, keeper), storing, committing, saving, saver, interrupted
keeping      collecting, copies, checking, changing
using        drafts, references, lookup, home, `Artifact`
"""

from __future__ import annotations

from treering.artifacts._artifact import Artifact
from treering.artifacts._file import ArtifactFile

__all__ = ["Artifact", "ArtifactFile"]
