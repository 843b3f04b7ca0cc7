"""From a folder of results to rates that hold: clips are drawn and judged, and figures follow from the verdicts.

``season`` reads what a run found and kept. ``frame`` counts its windows by label, site and score; ``draw`` takes some
of them at known odds, ``cutting`` and ``clipfolder`` make a folder of sounds of them. ``reviewing`` is the page on
which people judge, ``verdicts`` what they said, ``agreement`` how far they agree. ``evidence`` and ``estimates`` turn
verdicts into precision and recall of the whole season, ``fitting`` into thresholds. ``clock``, ``counting``,
``intervals``, ``correction`` and ``rates`` are events per hour; ``charts`` draws them.
"""
