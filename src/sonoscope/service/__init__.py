"""The service: the same engine over HTTP, a page over the service, and live sound over a WebSocket.

::

    request -> guard.py -> routes/ -> office.py (jobs in a queue) -> crew.py -> worker.py -> tasks/ -> an answer's file
                                      recordings.py (sounds that the page looks at), live.py (sounds as they come)

One process answers; it decodes nothing that came from outside. Sound is decoded and analysed by worker processes with
limits of memory and time, which write their answers into files of the job's folder. The tasks call the functions that
the command calls, so the answers have the command's bytes. FastAPI and what it brings are imported in this room only.
"""
