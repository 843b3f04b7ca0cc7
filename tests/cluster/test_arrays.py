"""Which part of a job array a process is, by what each scheduler says."""

from __future__ import annotations

import pytest

from sonoscope.cluster.arrays import auto
from sonoscope.errors import UsageError


@pytest.mark.parametrize(
    ("environ", "parts", "part"),
    [
        ({"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_MAX": "9",
          "SLURM_ARRAY_TASK_STEP": "2", "SLURM_ARRAY_TASK_COUNT": "4"}, None, (2, 4)),
        ({"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_MAX": "7",
          "SLURM_ARRAY_TASK_COUNT": "2"}, 16, (7, 16)),
        ({"SGE_TASK_ID": "4", "SGE_TASK_FIRST": "2", "SGE_TASK_LAST": "6", "SGE_TASK_STEPSIZE": "2"}, None, (2, 3)),
        ({"LSB_JOBINDEX": "3", "LSB_JOBINDEX_END": "8", "LSB_JOBINDEX_STEP": "1"}, None, (3, 8)),
        ({"SGE_TASK_ID": "undefined", "LSB_JOBINDEX": "0", "PBS_ARRAY_INDEX": "2"}, 4, (2, 4)),
    ],
)  # fmt: skip
def test_the_part_is_that_of_the_task(environ, parts, part) -> None:
    assert auto(parts, environ=environ) == part


@pytest.mark.parametrize(
    ("environ", "parts", "message"),
    [
        ({}, None, "no task of a job array"),
        ({"PBS_ARRAY_INDEX": "2"}, None, "PBS does not say how many tasks"),
        ({"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_MAX": "7",
          "SLURM_ARRAY_TASK_COUNT": "2"}, None, "the array has gaps"),
        ({"SLURM_ARRAY_TASK_ID": "0"}, 16, "--array=1-16"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_said(environ, parts, message) -> None:
    with pytest.raises(UsageError, match=message):
        auto(parts, environ=environ)
