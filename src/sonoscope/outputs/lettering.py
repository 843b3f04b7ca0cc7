"""Letters that Matplotlib's own font lacks, Chinese ones among them, in pictures that it draws (PNG and PDF).

They are taken from the fonts of this machine. Where none has them, boxes stand for them, and that is said once, with
what to install, not once for each letter. SVG needs none of this: whoever shows it has the fonts.
"""

from __future__ import annotations

import importlib.util
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Fonts with the letters of East Asia, as systems name those that they bring: Linux, Windows, macOS.
FAMILIES = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei", "Droid Sans Fallback", "Microsoft YaHei", "SimHei", "SimSun", "PingFang SC",
    "Hiragino Sans GB", "Heiti TC", "STHeiti", "Arial Unicode MS", "Noto Sans CJK JP", "Noto Sans CJK TC",
    "Noto Sans CJK KR", "Yu Gothic", "Malgun Gothic",
)  # fmt: skip
_MISSING = re.compile(r"Glyph (\d+) ")


@contextmanager
def lettered(say: Callable[[str], None] | None = None) -> Iterator[None]:
    """While it lasts, what Matplotlib makes takes its letters from all fonts that have them.

    Parameters
    ----------
    say : callable, optional
        Told of letters that no font here has; default: a warning.
    """
    if importlib.util.find_spec("matplotlib") is None:
        yield
        return
    import matplotlib
    from matplotlib import font_manager

    here = {font.name for font in font_manager.fontManager.ttflist}
    families = ["sans-serif", *(name for name in FAMILIES if name in here)]
    log = logging.getLogger("matplotlib.font_manager")
    level = log.level
    # Some of those fonts have one weight only, which it would tell of every text.
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(record=True) as told, matplotlib.rc_context({"font.family": families}):
            warnings.simplefilter("always")  # Who wants to see the others is asked below.
            yield
    finally:
        log.setLevel(level)
    letters = ""
    for one in told:
        if found := _MISSING.match(str(one.message)):
            letters += chr(int(found[1]))
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    if letters:
        which = "".join(dict.fromkeys(letters))
        (say or warnings.warn)(
            f"no font of this machine has {which}: boxes stand for them in the picture. Install one that has (for "
            "Chinese Noto Sans CJK), or take SVG where there is the choice"
        )
