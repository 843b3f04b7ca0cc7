"""Effects by the names of SoX, for a batch: ``chain`` is the augmentation, ``effects`` the table of all 58."""

from sonoscope.training.augment.sox.chain import Sox
from sonoscope.training.augment.sox.effects import EFFECTS, REASONS

__all__ = ["EFFECTS", "REASONS", "Sox"]
