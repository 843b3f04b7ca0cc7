"""Notes: probabilities over pitch and time become notes, with times, pitch and velocity.

::

    scores.py (NoteScores) -> decode.py (NoteRules, decode) -> events with a pitch -> outputs
                              live.py   (the same, as it comes: note on, note off)

``stitch.py`` puts overlapping windows together, ``sonify.py`` makes notes heard. The decoder's rules are
written down in docs/notes.md, with test vectors.
"""
