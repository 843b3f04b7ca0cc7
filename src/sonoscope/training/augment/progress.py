"""Progressive training: an augmentation that begins in some epoch, and reaches its share in a later one."""

from __future__ import annotations

from dataclasses import dataclass

from sonoscope.errors import UsageError


@dataclass(frozen=True)
class Progress:
    """How much of its share an augmentation has in an epoch.

    Parameters
    ----------
    name : str
        Of the augmentation, for messages.
    from_epoch : int
        Before it, nothing is changed; epochs count from 0.
    full_epoch : int, optional
        From it on the share is whole; between the two it grows by equal steps. Default: ``from_epoch``.

    Raises
    ------
    UsageError
        If they are no epochs in order.
    """

    name: str
    from_epoch: int = 0
    full_epoch: int | None = None

    def __post_init__(self) -> None:
        epochs = self.from_epoch, self.from_epoch if self.full_epoch is None else self.full_epoch
        if not all(isinstance(each, int) for each in epochs) or not 0 <= epochs[0] <= epochs[1]:
            raise UsageError(
                f"augment: {self.name}: from_epoch={self.from_epoch} and full_epoch={self.full_epoch} "
                "must be whole numbers, 0 <= from_epoch <= full_epoch"
            )

    def at(self, epoch: int) -> float:
        """The share of the share, 0..1."""
        if epoch < self.from_epoch:
            return 0.0
        full = self.from_epoch if self.full_epoch is None else self.full_epoch
        return 1.0 if epoch >= full else (epoch - self.from_epoch + 1) / (full - self.from_epoch + 1)
