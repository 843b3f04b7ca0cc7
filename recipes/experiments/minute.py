"""A minute of every preset on the labelled recordings: does it train, is it tested, does it end with a bundle?

    python recipes/experiments/minute.py collection:FOLDER --work FOLDER [--only NAME,…] [--seconds 60]

Networks that are ours have their own sizes, few clips and a minute (Ctrl-C is pressed for them, as a person would);
transformers and networks of timm are tiny (``TINY``), and tell that; networks of notes learn from stems that are
rendered first (FluidSynth and a soundfont). A line for each: what became of it, how many epochs it began, what it cost,
and the test part's mean average precision, which after a minute says only that it is a number.
Presets whose library is not installed say so. Exit code 1 if one fails, or ends without a bundle.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from pathlib import Path
from threading import Timer

from sonoscope.errors import Stopped
from sonoscope.training import presets, rundir
from sonoscope.training.config import Config, compose

#: What is the same for all: some clips of all labels, one fold of whole origins to be tested on.
COMMON = (
    "data.labels=instruments", "data.by=group", "data.train_where=trainable=yes", "data.test_where=split=C",
    "data.max_samples=250", "data.max_test_samples=60",
)  # fmt: skip
HF = "hidden_size: 48, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 64"
WAVES = (
    "conv_dim: [32, 32, 32, 32, 32, 32, 32], num_conv_pos_embeddings: 16, num_conv_pos_embedding_groups: 2"
)
SMALL = ("data.window_s=1.0", "training.batch_size=4")
#: Sizes of what is too large for a processor, and what is shown to them.
TINY: dict[str, tuple[str, ...]] = {
    "ast-mel": (f"network.backbone={{name: ast, {HF}}}", "training.batch_size=4"),
    "wav2vec2-whole": (f"network.backbone={{name: wav2vec2, {HF}, {WAVES}}}", *SMALL),
    "wav2vec2-extractor": (f"network.backbone={{name: wav2vec2, part: extractor, {HF}, {WAVES}}}", *SMALL),
    "beats-fbank": (
        "network.backbone={name: beats, embed_dim: 32, encoder_layers: 2, encoder_embed_dim: 48, "
        "encoder_ffn_embed_dim: 64, encoder_attention_heads: 4, conv_pos: 16, conv_pos_groups: 2}",
        "training.batch_size=4",
    ),
    "panns-cnn14": SMALL,
    "panns-bands-two-phase": (*SMALL, "network.backbone.width=0.25"),
    # One phase: without weights of ImageNet there is nothing to hold still, and no running means are learned.
    **{
        name: (*SMALL, "training.phases=[{}]")
        for name in presets.names()
        if str(presets.load(name).get("network", {}).get("backbone", {}).get("name")).startswith("timm:")
    },
}
#: Whole, a minute from random weights leaves it so wild that single precision itself cannot compute it.
TINY["efficientnetv2-mel"] += (
    "network.backbone.channel_multiplier=0.25",
    "network.backbone.depth_multiplier=0.34",
)
#: Stems that networks of notes learn from.
RENDERED = ("--instruments", "piano,violin,flute", "--per-class", "12", "--duration", "8")
#: Of standard error that tells that data are prepared and training begins.
BEGINS = " to learn from, "
#: Seconds after Ctrl-C for validation, test and bundle.
PATIENCE_S = 900


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", help="labelled recordings, as DATA")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", help="these presets, or 'timm', or 'others': all but those of timm")
    parser.add_argument("--seconds", type=float, default=60.0, help="of training, each")
    arguments = parser.parse_args()
    failed = 0
    for name in chosen(arguments.only):
        told, fine = one(name, arguments.data, arguments.work, arguments.seconds)
        failed += not fine
        print(f"{'ok' if fine else 'FALLS':<6}{name:<26}{told}", flush=True)
    return 1 if failed else 0


def chosen(wish: str | None) -> list[str]:
    """The presets that are meant."""
    of_timm = [
        name for name in presets.names() if config_of(name).network.backbone["name"].startswith("timm:")
    ]
    if wish == "timm":
        return of_timm
    if wish == "others":
        return [name for name in presets.names() if name not in of_timm]
    return wish.split(",") if wish else list(presets.names())


def config_of(name: str) -> Config:
    return compose(presets.load(name), words_of(name))


def words_of(name: str) -> list[str]:
    """The settings that a preset gets; those about labels are nothing to networks of notes."""
    notes = presets.load(name).get("kind") == "notes"
    return [*(() if notes else COMMON), *TINY.get(name, ())]


def rendered(work: Path) -> str:
    """A folder of stems with their notes, made if it is not there."""
    folder = work / "rendered"
    command = [sys.executable, "-m", "sonoscope", "data", "render", "-o", str(folder), *RENDERED]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return str(folder)


def one(name: str, data: str, work: Path, seconds: float) -> tuple[str, bool]:
    """What is told of a preset, and whether it went as it should."""
    config, folder = config_of(name), work / name
    network = config.kind in ("network", "notes")
    if config.kind == "notes":
        data = rendered(work)
    words = [*words_of(name), f"data.folder={work / 'prepared'}-{rate_of(config)}"]
    command = [sys.executable, "-m", "sonoscope", "train", name, data, *words, "-o", str(folder)]
    lines: list[str] = []
    timers: list[Timer] = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line.strip())
            if BEGINS in line and network and not timers:
                timers = [Timer(seconds, process.send_signal, [2]), Timer(seconds + PATIENCE_S, process.kill)]
                for timer in timers:
                    timer.daemon = True
                    timer.start()
    for timer in timers:
        timer.cancel()
    last = next((line for line in reversed(lines) if line), "")
    if process.returncode not in (0, Stopped.exit_code):  # Ctrl-C ended it early, as it should
        return last, "is not installed" in last
    if not (folder / rundir.BUNDLE / "model.onnx").is_file():
        return next(
            (line for line in lines if line.startswith("no bundle")), "no bundle, and no reason"
        ), False
    return figures(folder, network=network, tiny=name in TINY), True


def rate_of(config: Config) -> str:
    """What tells prepared sounds of different rates apart."""
    first = config.features[0]
    return f"{config.kind}-{first['name']}-{first.get('sample_rate', 'own')}"


def figures(folder: Path, *, network: bool, tiny: bool) -> str:
    """Batches, seconds a batch and the figure of a run."""
    metrics = rundir.read_metrics(folder)
    told = (
        f"test mAP {metrics['fixed']['map']:.3f}"
        if "fixed" in metrics
        else f"test AP {metrics['test']['ap']:.3f}"
    )
    history = folder / rundir.HISTORY
    if network and history.is_file():
        with open(history, newline="") as file:
            rows = list(csv.DictReader(file))
        told = f"{rows[-1]['epoch']} epochs begun, {metrics['cost']['cpu_s']:.0f} s of CPU, {told}"
    return told + (" (tiny)" if tiny else "")


if __name__ == "__main__":
    sys.exit(main())
