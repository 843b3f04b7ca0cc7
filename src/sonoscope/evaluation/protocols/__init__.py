"""Protocols by the name that ``--protocol`` takes: one file and one line each.

Their libraries (scikit-learn, mir_eval) are imported where they are used.
"""

from __future__ import annotations

from sonoscope.errors import lookup
from sonoscope.evaluation.protocols import clip, events, irmas, musicnet, notes, openmic
from sonoscope.evaluation.protocols.protocol import Protocol, Request

__all__ = ["PROTOCOLS", "Protocol", "Request", "default_for", "find"]

PROTOCOLS: dict[str, Protocol] = {
    "clip": clip.PROTOCOL,
    "irmas": irmas.PROTOCOL,
    "openmic": openmic.PROTOCOL,
    "musicnet": musicnet.PROTOCOL,
    "notes": notes.PROTOCOL,
    "events": events.PROTOCOL,
}

#: The protocol of data that names none.
DEFAULT = "clip"


def find(name: str) -> Protocol:
    """The protocol called ``name``; raises ``UnknownName`` with the nearest one."""
    return lookup(PROTOCOLS, name, "protocol")


def default_for(dataset: str) -> str:
    """The name of a data set's own protocol; clips for any other."""
    for name, protocol in PROTOCOLS.items():
        if dataset in protocol.datasets:
            return name
    return DEFAULT
