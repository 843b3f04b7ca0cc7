"""The page on which clips are judged: ``page`` makes it, ``server`` serves it, ``spectrogram`` draws the clips."""
