"""Clips from video and audio by a specification: which stretches of which recordings hold what.

    extract("spec.yaml", "clips", Settings(length_s=3.0))

The way: ``marked`` (JSON and YAML with lines) and ``times`` are read by ``spec``; ``media`` finds the recordings;
``plan`` settles what is cut from which, before any work; ``cut`` decodes each recording once and writes its clips;
``record`` remembers what is done; ``run`` is the whole, and lists the clips in a manifest beside them.
"""

from sonoscope.data.extract.counts import Count
from sonoscope.data.extract.marked import BadSpec
from sonoscope.data.extract.run import Extracted, Planned, extract, preview
from sonoscope.data.extract.settings import Settings

__all__ = ["BadSpec", "Count", "Extracted", "Planned", "Settings", "extract", "preview"]
