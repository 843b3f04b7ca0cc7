"""What a publication takes: LaTeX that can be set, methods in sentences, references, the leak certificate."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.cli import main
from sonoscope.data.datasets import DATASETS
from sonoscope.data.rows import Manifest, Row
from sonoscope.evaluation import paper
from sonoscope.evaluation.paper import certificates, references, tex, trainings
from sonoscope.evaluation.paper.subjects import Subject, material
from sonoscope.evaluation.result import Figure, Result, Table
from sonoscope.training.config import Config

RATE = 24_000
#: Every letter that LaTeX takes for more than a letter.
SPECIAL = "\\{}$&#%_^~"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    time = np.arange(RATE) / RATE
    lines = ["path,labels,group,split,source,licence"]
    for k in range(6):
        sound = 0.2 * np.sign(np.sin(2 * np.pi * 110 * (k + 1) * time))
        soundfile.write(folder / f"{k}_50%.wav", sound.astype(np.float32), RATE)
        label = ("piano", "flute", "voice")[k % 3]
        lines.append(f"{k}_50%.wav,{label},g_{k},{'test' if k < 3 else 'val'},my_{'irmas'},CC BY 4.0")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def written(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models and thresholds from the other split."""
    other = tmp_path_factory.mktemp("predictions") / "other_program.csv"
    rows = [f"{k}_50%.wav,0.{k + 1},0.5,0.2" for k in range(6)]
    other.write_text("\n".join(["file,piano,flute,voice", *rows]) + "\n")
    out = tmp_path_factory.mktemp("paper") / "paper"
    words = ["evaluate", "instruments", str(other), str(root), "--split", "test", "--validation", "val"]
    assert main([*words, "--draws", "10", "--paper", str(out)]) == 0
    return out


def test_what_a_full_disk_left_is_no_paper_yet(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [
        "evaluate",
        "instruments",
        str(root),
        "--split",
        "test",
        "--draws",
        "0",
        "--paper",
        str(tmp_path),
    ]

    def full(path: Path, content: bytes) -> None:
        if path.suffix == ".svg":
            raise OSError(28, "No space left on device", str(path))
        path.write_bytes(content)

    with monkeypatch.context() as broken:
        broken.setattr(paper, "put", full)
        assert main(words) == 3
    assert (tmp_path / "table.tex").exists() and not (tmp_path / "paper.tex").exists()
    assert main(words) == 0
    assert (tmp_path / "paper.tex").exists()
    assert main(words) == 2


def balanced(text: str) -> None:
    """Groups close, environments end, and nothing special stands bare."""
    bare = re.sub(r"\\[\\{}$&#%_^~]", "", text)
    assert bare.count("{") == bare.count("}") and bare.count("$") % 2 == 0
    assert re.findall(r"\\begin\{(\w+)\}", text) and sorted(re.findall(r"\\begin\{(\w+)\}", text)) == sorted(
        re.findall(r"\\end\{(\w+)\}", text)
    )
    for line in text.splitlines():
        outside = re.sub(r"\\(label|input|includegraphics|cite|bibliography\w*)\{[^}]*\}|\$[^$]*\$", "", line)
        outside = re.sub(r"\\[\\{}$&#%_^~]", "", outside)
        assert not re.search(r"[#%_^~]", outside), line


def test_tables_have_as_many_cells_as_columns_and_every_figure(written):
    for name in ("table", "per_class", "differences"):
        text = (written / f"{name}.tex").read_text(encoding="utf-8")
        balanced(text)
        columns = len(re.search(r"\\begin\{tabular\}\{@\{\}([lr]+)@\{\}\}", text)[1])
        rows = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert rows and all(len(re.split(r"(?<!\\)&", row)) == columns for row in rows), name
        assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    table = (written / "table.tex").read_text(encoding="utf-8")
    assert r"other\_program & fixed" in table and r"\emph{all zeros}" in table and "fitted, by label" in table
    assert table.count(r"oracle (tuned on these clips)") == 2


def test_the_document_holds_what_there_is(written):
    main_file = (written / "paper.tex").read_text(encoding="utf-8")
    balanced(main_file)
    for name in re.findall(r"\\input\{([^}]+)\}", main_file):
        assert (written / f"{name}.tex").is_file()
    for name in re.findall(r"\\includegraphics\{([^}]+)\}", main_file):
        assert (written / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert {path.suffix for path in (written / "figures").iterdir()} >= {".svg"}
    cited = {
        key
        for keys in re.findall(r"\\cite\{([^}]+)\}", (written / "methods.tex").read_text())
        for key in keys.split(",")
    }
    there = set(re.findall(r"@\w+\{([^,]+),", (written / "references.bib").read_text()))
    assert cited and cited <= there and {"sonoscope", "model-instruments", "source-my-irmas"} <= there


def test_it_can_be_set(written, tmp_path):
    engine = next((name for name in ("pdflatex", "tectonic", "lualatex") if shutil.which(name)), None)
    if engine is None:
        pytest.skip("no LaTeX here: escapes and structure are tested without")
    shutil.copytree(written, tmp_path / "paper")
    words = (
        [engine, "paper.tex"]
        if engine == "tectonic"
        else [engine, "-interaction=nonstopmode", "-halt-on-error", "paper"]
    )
    done = subprocess.run(words, cwd=tmp_path / "paper", capture_output=True, text=True, check=False)
    assert done.returncode == 0 and (tmp_path / "paper" / "paper.pdf").is_file(), done.stdout[-2000:]


def test_wide_tables_shrink_and_long_ones_go_over_pages():
    rows = [["a", "0.5"]] * (tex.PAGE + 1)
    short = tex.table(["label", "F1"], [rows[:3]], caption="c", label="l")
    assert short.count(tex.FITTED) == 1 and "longtable" not in short
    balanced(short)
    long = tex.table(["label", "F1"], [rows], caption="c", label="l")
    assert r"\begin{longtable}{@{}lr@{}}" in long and r"\endhead" in long and "resizebox" not in long
    balanced(long)


def test_sentences_say_what_was_done(written, root):
    told = (written / "methods.txt").read_text(encoding="utf-8")
    for part in (
        "3 clips were judged", "my_irmas (3)", "hears recordings at 24,000 Hz as logmel", "windows of 1 s every 0.5 s",
        "valid_cnn", "mean over windows (S1)", f"fitted on {root}, split val", "10 draws of groups, seed 0",
        "Differences of two models are paired", "Protocol clip, version 1", "clips shared: 0", "numpy",
    ):  # fmt: skip
        assert part in told, part
    latex = (written / "methods.tex").read_text(encoding="utf-8")
    assert r"my\_irmas" in latex and "my_irmas (" not in latex
    assert (written / "command.sh").read_text().splitlines()[-1].split()[0] == "sonoscope"
    around = json.loads((written / "environment.json").read_text())
    assert around["packages"]["numpy"] == np.__version__ and around["processors"] >= 1


def test_nothing_is_replaced_without_asking(written, root, capsys):
    assert main(["evaluate", "instruments", str(root), "--paper", str(written)]) == 2
    assert "holds a paper.tex already" in capsys.readouterr().err
    assert main(["evaluate", "instruments", str(root), "--paper", str(root / "manifest.csv")]) == 2
    assert "is a file: name a folder" in capsys.readouterr().err


@pytest.mark.parametrize("letter", [*SPECIAL, "<", ">", "|", '"', "±", "–"])
def test_special_letters_are_escaped(letter):
    found = tex.escape(f"a{letter}b")
    assert found != f"a{letter}b" and found.startswith("a") and found.endswith("b")
    assert found.count("{") == found.count("}") or letter in "{}"
    assert tex.escape("one\n two") == "one two"


def test_minus_signs_and_nothing():
    assert tex.number(-0.5) == "$-$0.500" and tex.number(None) == "--"
    assert tex.interval(Figure(0.1, -0.2, 0.3)) == r"{\scriptsize [$-$0.200, 0.300]}"
    with pytest.raises(ValueError, match="a row of 1 cells, the header has 2"):
        tex.table(["a", "b"], [[["1"]]], caption="", label="t")


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
def test_every_data_set_has_a_reference(dataset):
    if not dataset.citation:
        return
    entry = references.of_dataset(dataset)
    text = entry.bibtex()
    assert text.count("{") == text.count("}") and text.startswith(f"@{entry.kind}{{data-{dataset.name},")
    if entry.kind == "inproceedings":
        assert re.fullmatch(r"(19|20)\d\d", entry.fields["year"]) and entry.fields["author"]
        assert entry.fields["title"] in dataset.citation and "," not in entry.fields["author"]
    assert entry.kind == "inproceedings" or dataset.name == "buzzdetect-training"


def test_a_data_set_of_the_table_is_cited_by_its_publication():
    held = material("esc50:somewhere", Manifest((Row("a.wav", source="esc50"),), Path()))
    assert [entry.key for entry in held.entries] == ["data-esc50"]
    assert "Piczak" in held.entries[0].bibtex()


def test_what_was_learnt_from_and_is_judged_is_counted(tmp_path):
    (tmp_path / "manifest.csv").write_text(
        "path,labels,group,split\na.wav,x,g1,train\nb.wav,x,g2,val\nc.wav,x,g3,train\n"
    )
    subject = Subject("mine", {}, {}, {}, tmp_path)
    judged = Manifest(
        (Row("a.wav", labels=("x",), group="g1"), Row("d.wav", labels=("x",), group="g2")), tmp_path
    )
    [leak] = certificates.of([subject], judged, {}, None)
    assert leak.certificate.files_shared == 1 and leak.certificate.groups_shared == 2
    assert "3 clips that it learnt from or was chosen on, 2 that are judged" in leak.told
    assert "the file a.wav is in test and train" in certificates.text([leak])
    unknown = Subject("theirs", {}, {"training_data": {"clips": 3}}, {}, None)
    [leak] = certificates.of([unknown], judged, {}, None)
    assert leak.certificate is None and "not known here" in leak.told and "its card" in leak.told


def test_any_protocol_has_a_paper(tmp_path):
    result = Result(
        "notes", "1", "Notes & more", {"onset_f1": Figure(0.5, 0.4, 0.6), "nothing": Figure(None, why="no notes")},
        (Table("files", "By file", ("file", "error"), (("a", 12.5),)),),
        provenance={"predictions": {"predictions": "said_by", "files": 1}, "options": {"pedal": True}},
    )  # fmt: skip
    paper.write(tmp_path, result, "music", Manifest((Row("a.wav"),), tmp_path))
    table = (tmp_path / "table.tex").read_text()
    balanced(table)
    assert r"Notes \& more" in table and r"onset\_f1 & 0.500" in table and "[0.400, 0.600]" in table
    assert "Options: pedal yes." in (tmp_path / "methods.txt").read_text()


def test_every_field_of_a_configuration_that_matters_is_in_the_methods():
    """Each field is given a word of its own, and found again; what is left out is about the machine."""
    marks: list[str] = []

    def marked(value: object, place: str) -> object:
        if isinstance(value, dict):
            return {key: marked(each, f"{place}.{key}") for key, each in value.items()}
        marks.append(place.strip("."))
        return f"<{place.strip('.')}>"

    held = Config().to_dict() | {
        "features": [{"name": "f", "n_fft": 1}],
        "losses": [{"name": "l", "weight": 1}],
        "augment": [{"name": "a", "share": 1}],
        "model": {"name": "m", "c": 1},
        "pretext": {"name": "p", "mask": 1},
    }
    held["training"]["phases"] = [{"epochs": 1, "train": "all", "learning_rate": 1.0, "layer_decay": 1.0}]
    config = {key: marked(value, key) for key, value in held.items() if not isinstance(value, list)}
    config |= {key: [marked(each, key) for each in held[key]] for key in ("features", "losses", "augment")}
    config["training"]["phases"] = [marked(held["training"]["phases"][0], "training.phases")]
    config["kind"] = "network"
    text = ". ".join(trainings.told(config))
    left = {f"{section}.{name}".strip(".") for section, names in trainings.LEFT_OUT.items() for name in names}
    known = {place for place in marks if place not in ("kind", "training.phases")}
    assert len(known) > 60 and left <= known
    assert {place for place in known if f"<{place}>" not in text} == left


def test_what_is_unset_is_not_said_and_a_dummy_has_no_network():
    told = list(trainings.told(Config(kind="dummy", name="zeros", model={"name": "zeros"}).to_dict()))
    assert told[:2] == ["Configuration zeros (dummy)", "Model: zeros"]
    assert not any(sentence.startswith(("Network", "Training", "Loss")) for sentence in told)
    text = ". ".join(trainings.told(Config(name="mine").to_dict()))
    assert "None" not in text and "False" not in text and "fold" not in text and "moving average" not in text
    for said in (
        "optimiser adamw",
        "batches of 32",
        "seed 0",
        "windows in seconds 3.0",
        "backbone valid_cnn",
        "bce",
    ):
        assert said in text
