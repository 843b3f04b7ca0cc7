"""Gradients in TensorBoard are those of the first batch of each epoch."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
lightning = pytest.importorskip("lightning")
pytest.importorskip("tensorboard")
pytestmark = pytest.mark.train

from sonoscope.training.course import loggers  # noqa: E402
from sonoscope.training.gradients import Gradients  # noqa: E402


class Line(lightning.LightningModule):
    """y = head(backbone(x)); both are one weight, 2 and 3."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.head = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
        self.frozen = torch.nn.Linear(1, 1).requires_grad_(False)
        with torch.no_grad():
            self.backbone.weight.fill_(2.0)
            self.head.weight.fill_(3.0)

    def training_step(self, batch, _):
        return self.head(self.backbone(batch)).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


def fitted(folder: Path, logger) -> None:
    batches = torch.utils.data.DataLoader(torch.arange(1.0, 5.0)[:, None], batch_size=1)
    trainer = lightning.Trainer(
        max_epochs=2, logger=logger, callbacks=[Gradients()], enable_progress_bar=False, enable_checkpointing=False,
        enable_model_summary=False, accelerator="cpu", default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(Line(), batches)


def test_norms_and_histograms_of_an_epochs_first_batch(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fitted(tmp_path, loggers(tmp_path))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    norms = {name: [event.value for event in events.Scalars(f"gradient_norm/{name}")]
             for name in ("backbone", "head", "whole")}  # fmt: skip
    # Of x = 1: d(3 * 2 x) is 3 by the first weight and 2 by the second.
    assert norms == {"backbone": [3, 3], "head": [2, 2], "whole": pytest.approx([13**0.5] * 2)}
    assert set(events.Tags()["histograms"]) == {"gradient/backbone.weight", "gradient/head.weight"}
    assert events.Histograms("gradient/head.weight")[0].histogram_value.sum == pytest.approx(2.0)


def test_without_tensorboard_nothing_is_written(tmp_path):
    fitted(tmp_path, False)
    assert not list(tmp_path.rglob("events*"))
