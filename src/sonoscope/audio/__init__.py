"""From what a user names to samples: inputs are found, opened, recognised and decoded, block by block.

``find`` lists recordings (files, folders, globs, members of archives) lazily. ``decode`` turns one into mono
float32 blocks at any rate; it asks ``contents`` what the file is (by its bytes, never by its name) and lets
one of three readers deliver frames: ``pcm`` (plain samples in WAV and AIFF), ``sndfile`` (FLAC, MP3, Vorbis
and what else libsndfile knows) or ``ffmpeg`` (everything else, and whatever is damaged, continued or has no
reliable header). ``tails`` tells whether sound goes on where a header says that it ends; ``archives`` gives
members as files.
"""
