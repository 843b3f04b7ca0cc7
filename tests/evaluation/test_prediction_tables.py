"""Tables of scores as R and spreadsheets save them."""

from __future__ import annotations

import pytest

from sonoscope.errors import UsageError
from sonoscope.evaluation.predictions import tables


@pytest.mark.parametrize(
    "text",
    [
        '"","file","cel","pia"\n"1","a.wav",0.25,1\n"2","b.wav",0.5,0\n',
        "file;cel;pia;\r\na.wav;0,25;1;\r\nb.wav;0,5;0;\r\n;;;\r\n",
        "file\tcel\tpia\na.wav\t0.25\t1\nb.wav\t0.5\t0\n",
    ],
)
def test_a_table_of_r_or_a_spreadsheet_has_no_other_labels_than_its_own(tmp_path, text):
    (tmp_path / "p.csv").write_text(text)
    found = tables.opened(tmp_path / "p.csv")
    assert [label.id for label in found.labels] == ["cel", "pia"]
    assert {name: held.values.tolist() for name, held in found.files.items()} == {
        "a.wav": [[0.25, 1.0]],
        "b.wav": [[0.5, 0.0]],
    }


def test_a_table_of_scores_with_semicolons_is_refused_by_its_name(tmp_path):
    (tmp_path / "a.scores.csv").write_text("start;end;violin\n0;1;0,5\n")
    with pytest.raises(
        UsageError, match=r"a\.scores\.csv: a table of scores begins with the columns start,end"
    ):
        tables.opened(tmp_path / "a.scores.csv")
