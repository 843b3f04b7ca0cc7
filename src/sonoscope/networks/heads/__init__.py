"""Heads: embeddings to logits. One file and one line each."""

from sonoscope.networks.heads.framewise import FramewiseAttention

HEADS = {"framewise_attention": FramewiseAttention}
