"""Notes of sonoscope and of basic-pitch, on the same recordings, by the same scorer."""
