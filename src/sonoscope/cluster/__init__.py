"""Work for several machines: job arrays of a scheduler, and what they share.

``slurm.py`` writes what every SLURM script begins with, ``arrays.py`` says which part of an array this process is,
``lengths.py`` estimates how long recordings are before they are opened, and ``job.py`` turns a run into a script, a
list of inputs and their parts.
"""
