"""sonoscope says what sounds in a recording, and when.

The package is laid out along the path of the data: ``audio`` finds and decodes recordings, ``features`` turns samples
into frames, ``windows`` says which frames belong together, ``models`` runs a bundle over them, ``scores`` and
``events`` decide, ``outputs`` writes. ``pipeline`` is that path as code, ``runs`` does it for whole folders.
"""

__version__ = "0.1.0"
