"""Live: sound in blocks of any size in, what begins and what ends out, as soon as it is certain.

::

    sources.py -> session.py -> resample.py -> tags.py  (windows, scores, events)   -> moments.py -> sinks.py
                                               notes.py (frames, scores, notes)

A stream (``streams.py``) takes blocks at the source's rate and gives :class:`~sonoscope.live.moments.Moment` s. It is
the path of a recording with blocks as small as they come: the same filter, features, graph and rules, so the events
and notes are those of the whole. It states how late it is by itself (``moments.Delay``), and the moments say how late
they were.
"""
