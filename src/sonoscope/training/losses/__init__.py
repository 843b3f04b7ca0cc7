"""Losses: logits, targets and what is known, to a number. One file and one line each."""

from sonoscope.training.losses.bce import masked_bce

LOSSES = {"bce": masked_bce}
