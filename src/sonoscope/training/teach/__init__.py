"""Teaching: a detector of one's own sounds on the embedding of a model that is there, in minutes, without torch.

::

    snippets ─┐
    verdicts ─┤ taught.py    ┌─ hearing.py ──── examples.py ── folds.py ── judging.py ── words.py
    built-in ─┤ against.py ──┘  (embeddings)     (arrays)       head.py     writing.py
    unlabelled┘

``teaching.py`` is that line as code; ``wish.py`` is what may be asked.
"""

from sonoscope.training.teach.teaching import teach
from sonoscope.training.teach.wish import Wish

__all__ = ["Wish", "teach"]
