"""``audit.html``: the doubtful rows with players, on which a person decides by ear and keyboard.

The page needs no server and no network: style and script are in it, sounds lie in a folder beside it. Decisions are
kept by the browser, and exported as the file that ``--apply`` takes (:mod:`sonoscope.data.audit.overrides`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path

from sonoscope.data import table
from sonoscope.data.audit.auditing import Audit, Issue
from sonoscope.values import format_seconds

#: Folder of the sounds, beside the page.
CLIPS = "audit-sounds"
#: Pairs of labels that the page lists.
_PAIRS = 12


def write(audit: Audit, path: str | Path, players: Mapping[int, tuple[str, float]], *, title: str) -> None:
    """Write the page, whole or not at all.

    Parameters
    ----------
    players : mapping
        For the rank of an issue (from 0) the name of its sound and the second of the row at which that begins
        (:func:`sonoscope.data.audit.players.write`); issues without one are only counted.
    title : str
        What was audited.
    """
    shown = [(rank, audit.issues[rank]) for rank in sorted(players)]
    parts = {
        "title": escape(title),
        "style": _resource("page.css"),
        "script": _resource("page.js"),
        "facts": _facts(audit, len(shown)),
        "labels": _labels(audit),
        "pairs": _pairs(audit),
        "issues": "\n".join(_card(rank, issue, *players[rank]) for rank, issue in shown)
        or f'<p class="none">No row is {"shown" if audit.issues else "doubtful"}.</p>',
        "options": "".join(f'<option value="{escape(label)}">' for label in audit.targets.labels),
        "filters": _filters([issue for _, issue in shown]),
    }
    page = _resource("page.html")
    for name, text in parts.items():
        page = page.replace(f"<!-- {name} -->", text)
    table.put(Path(path), page.encode())


def _resource(name: str) -> str:
    return files("sonoscope.data.audit").joinpath("page", name).read_text(encoding="utf-8")


def _facts(audit: Audit, shown: int) -> str:
    flagged = len(audit.issues)
    share = f" ({100 * flagged / audit.judged:.1f} %)" if audit.judged else ""
    facts = {
        "rows": f"{len(audit.manifest):,}",
        "listened to": f"{len(audit.embeddings):,}",
        "judged": f"{audit.judged:,}",
        "doubtful": f"{flagged:,}{share}",
        "shown here": f"{shown:,}",
        "groups": f"{len(set(audit.targets.groups.tolist())):,}",
    }
    if audit.reviewed:
        facts["decided before"] = f"{audit.reviewed:,}"
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())


def _labels(audit: Audit) -> str:
    lines = []
    for each in audit.labels:
        unjudged = each.rows - each.judged
        note = f' <small title="too few groups have it">{unjudged} not judged</small>' if unjudged else ""
        present = "" if math.isnan(each.present) else f"{100 * each.present:.0f} %"
        lines.append(
            f"<tr><th>{escape(each.label)}{note}</th><td>{each.rows}</td><td>{each.groups}</td>"
            f"{_bar(each.wrong, each.judged)}{_bar(each.missing, each.judged)}"
            f"<td>{present}</td><td>{each.patchy}</td></tr>"
        )
    return "\n".join(lines)


def _bar(count: int, of: int) -> str:
    share = min(count / of, 1.0) if of else 0.0
    return f'<td class="bar" style="--share:{100 * share:.1f}%">{count}</td>'


def _pairs(audit: Audit) -> str:
    pairs = Counter(
        (";".join(issue.given) or "nothing", ";".join(issue.suggested) or "nothing") for issue in audit.issues
    )
    return "".join(
        f"<li><b>{count}</b> {escape(given)} <span>&rarr;</span> {escape(suggested)}</li>"
        for (given, suggested), count in sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:_PAIRS]
    )


def _filters(issues: list[Issue]) -> str:
    counts = Counter(label for issue in issues for label in issue.given or ("nothing",))
    return "".join(
        f'<option value="{escape(label)}">{escape(label)} ({count})</option>'
        for label, count in sorted(counts.items())
    )


def _card(rank: int, issue: Issue, sound: str, begins: float) -> str:
    row = issue.row
    until = "" if row.duration_s is None else f" to {format_seconds(row.start_s + row.duration_s)}"
    where = f"{format_seconds(row.start_s)}{until} s" if row.start_s or until else "whole file"
    offset = f", sound from {begins:.1f} s" if begins >= 0.05 else ""
    own = row.extra.get("class", "")
    about = "".join(
        f" · {escape(text)}" for text in (row.group, own if own not in issue.given else "") if text
    )
    added = [label for label in issue.suggested if label not in issue.given]
    gone = [label for label in issue.given if label not in issue.suggested]
    bars = "".join(
        f'<li class="{"given" if label in issue.given else ""}"><span>{escape(label)}</span>'
        f'<i style="--share:{100 * p:.1f}%"></i><em>{p:.2f}</em></li>'
        for label, p in issue.probabilities
    )
    return f"""<article class="issue" tabindex="-1" data-path="{escape(row.path)}"
 data-start="{format_seconds(row.start_s)}" data-given="{escape(";".join(issue.given))}"
 data-suggested="{escape(";".join(issue.suggested))}">
<header><b>{rank + 1}</b> <code>{escape(row.path)}</code> <small>{where}{offset}{about}</small></header>
<audio controls preload="none" src="{CLIPS}/{escape(sound)}"></audio>
<p class="say"><span class="was">{_chips(issue.given, gone, "gone")}</span> <span class="arrow">&rarr;</span>
<span class="now">{_chips(issue.suggested, added, "new")}</span>
<small title="probability that the least credible label is right">credible {issue.score:.3f}</small></p>
<ul class="scores">{bars}</ul>
<p class="keys"><button data-act="accept">accept <kbd>a</kbd></button><button data-act="keep">keep <kbd>r</kbd></button>
<button data-act="unknown">unknown <kbd>u</kbd></button><button data-act="remove">remove row <kbd>x</kbd></button>
<button data-act="edit">other labels <kbd>e</kbd></button><output></output></p>
</article>"""


def _chips(labels: tuple[str, ...], marked: list[str], kind: str) -> str:
    if not labels:
        return '<span class="chip none">nothing</span>'
    return "".join(
        f'<span class="chip {kind if label in marked else ""}">{escape(label)}</span>' for label in labels
    )
