"""What a running service consists of, and how a route gets at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from sonoscope.service.settings import Settings


@dataclass
class House:
    """Everything that lasts as long as the service."""

    settings: Settings


def house_of(connection: HTTPConnection) -> House:
    """The house that a request came to."""
    return connection.app.state.house


OfHouse = Annotated[House, Depends(house_of)]
