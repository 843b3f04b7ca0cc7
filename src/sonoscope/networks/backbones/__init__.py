"""Backbones: frames of features to frames of embedding. One file and one line each.

A backbone is an ``nn.Module`` with ``forward_features(x)``, ``dim``, ``groups()``, and, where it is valid in
time, ``stride`` and ``receptive_field`` in input frames.
"""

from sonoscope.networks.backbones import cnn

BACKBONES = {"valid_cnn": cnn.build}
