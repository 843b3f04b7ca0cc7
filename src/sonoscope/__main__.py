"""``python -m sonoscope``: the command."""

import sys

from sonoscope.cli import main

sys.exit(main())
