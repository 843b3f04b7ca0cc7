"""Which labels of a training set are wrong, and what becomes better when they are put right.

    m = sources.load("clips/manifest.csv")
    heard = embed.embed(m, models.load("instruments"))
    found = auditing.audit(m, heard)
    for issue in found.issues: issue.row, issue.given, issue.suggested, issue.score

``embed.py`` listens, once for each file; ``folds.py`` and ``head.py`` give every row scores of a head that never met
its group; ``suspects.py`` (cleanlab) ranks the labels that these scores contradict; ``presence.py`` says in which share
of a row its label is heard; ``auditing.py`` puts these together. ``report.py`` writes the page on which a person
decides, ``overrides.py`` takes the decisions, ``compare.py`` measures whether they help. ``agreement.py`` sets one
labelling against another, ``division.py`` splits a coarse class, ``rehearsal.py`` tests all of it on errors that it
made itself. ``tasks.py`` is what the command calls, from recordings to files.
"""
