"""What a teaching says in the end, in plain words; and the card of its bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sonoscope import __version__
from sonoscope.errors import count
from sonoscope.models.bundle import Bundle
from sonoscope.training.teach.against import KINDS
from sonoscope.training.teach.examples import BUILT_IN, UNLABELLED, Examples
from sonoscope.training.teach.folds import Folds
from sonoscope.training.teach.judging import Class, Hits, Share
from sonoscope.training.teach.taught import VERDICT

#: With fewer left-out sounds than this, more snippets are the next thing to get.
FEW = 20
#: Sites that a card lists; all are in the table beside it.
MOST_SITES = 20
#: What sounds that were given are called: one, several.
OTHERS = {
    "taught": ("other taught sound", "other taught sounds"),
    BUILT_IN: ("built-in background", "built-in backgrounds"),
    UNLABELLED: ("stretch of unlabelled sound", "stretches of unlabelled sound"),
}


def told(each: Class) -> str:
    """What came of one class, in one line or two."""
    found = each.found
    low, high = found.interval
    by = "file (all are from one site)" if each.by_file else "site"
    line = f"{each.label}: found {found.hits} of {found.of} left out by {by} [{100 * low:.0f}–{100 * high:.0f} %]"
    return f"{line}; {_alarms(each)}" if each.alarms else line


def _alarms(each: Class) -> str:
    """What else was taken for it."""
    parts = [f"{share.hits} of {count(share.of, *OTHERS[role])}" for role, share in each.alarms.items()]
    which = ", ".join(f"{name} {hits}" for name, hits in list(each.mistaken.items())[:4])
    return f"reported in {', '.join(parts)}" + (f" ({which})" if which else "")


def not_told_apart(each: Class) -> str:
    """That a class is reported in most of what it is not, so that it means nothing, if so; and what helps."""
    heard = sum(share.hits for share in each.alarms.values())
    if 2 * heard <= sum(share.of for share in each.alarms.values()):
        return ""
    kinds = [name for name in each.mistaken if name in KINDS][:3]
    without = (
        f", or leave out what does not sound where you record (--without {','.join(kinds)})" if kinds else ""
    )
    return f"{each.label} is not told from other sounds yet, and its events mean nothing: teach more of it{without}"


def worst_site(each: Class) -> str:
    """The site where least is found, if sites differ; else nothing."""
    shares = {site: share for site, share in each.sites.items() if share.of}
    if each.by_file or len(shares) < 2:
        return ""
    site, share = min(shares.items(), key=lambda entry: (entry[1].hits / entry[1].of, -entry[1].of))
    return f"least at {site}, {share.hits} of {share.of}"


def summary(
    name: str, classes: Sequence[Class], folds: Folds, hits: Mapping[str, Hits], examples: Examples
) -> list[str]:
    """The lines that end a teaching."""
    lines = []
    for each in classes:
        lines.append(told(each))
        if useless := not_told_apart(each):
            lines.append(f"  {useless}")
        if worst := worst_site(each):
            lines.append(f"  {worst}")
        if each.label in hits:
            lines.append(f"  {unjudged(hits[each.label])}")
    if folds.sites < 2:
        lines.append(
            "one site only: how much is found elsewhere, nobody knows. Say where snippets are from (--group-by), or "
            "teach some from a second site"
        )
    elif folds.sites == int(examples.taught.sum()):
        lines.append(
            "each recording counts as a site of its own. If several are of one place, say so: folders of sites inside "
            "those of classes, or --group-by; what is found at a new place may be less than this"
        )
    elif any(each.by_file for each in classes):
        alone = ", ".join(each.label for each in classes if each.by_file)
        lines.append(f"from one site only: {alone}. How much of it is found elsewhere, nobody knows")
    return [*lines, *following(name, classes, hits, examples)]


def unjudged(found: Hits) -> str:
    """Hits an hour."""
    per, low, high = found.rate.per_hour, found.rate.low, found.rate.high
    return (
        f"in {_span(found.hours)} of unlabelled sound it reports {found.events}: {per:.1f} an hour "
        f"[{low:.1f}–{high:.1f}]. Nobody judged them: they may be right or wrong"
    )


def _span(hours: float) -> str:
    if hours < 1 / 12:
        return f"{3600 * hours:.0f} s"
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.0f} min"


def following(name: str, classes: Sequence[Class], hits: Mapping[str, Hits], examples: Examples) -> list[str]:
    """What to do next."""
    lines = []
    few = [each.label for each in classes if each.found.of < FEW]
    if few:
        lines.append(f"next: more snippets of {', '.join(few)}: {FEW} or more of each, from several sites")
    if not hits:
        lines.append(
            "next: give recordings of your own with --unlabelled: what sounds there is what it must not be taken for, "
            "and without them nothing is known of false alarms in your field"
        )
    if VERDICT not in set(examples.roles):
        lines += [
            f"next: sonoscope analyze RECORDINGS -m {name} -o OUT",
            "      sonoscope clips OUT -o clips; sonoscope review clips --reviewer YOU",
            "      and the same train command with --verdicts clips",
        ]
    else:
        lines += [
            f"next: sonoscope analyze RECORDINGS -m {name} -o OUT, and judge clips of it: thresholds verdicts says how "
            "right it is now"
        ]
    return lines


# ---- the card ----------------------------------------------------------------------------------------------


def card(
    name: str,
    base: Bundle,
    classes: Sequence[Class],
    examples: Examples,
    folds: Folds,
    hits: Mapping[str, Hits],
) -> str:
    """The bundle's ``README.md``."""
    taught = examples.taught
    sites = sorted(set(examples.groups[taught]))
    lines = [
        f"# {name}", "",
        f"Taught with sonoscope {__version__} on the embedding of {base.name} {base.version} ({base.licence}), which "
        f"was left as it was. Classes: {', '.join(examples.labels)}.", "",
        "## How much is found", "",
        "Of sounds that were left out " + ("file by file, all from one site"
        if folds.sites < 2 else f"with their whole site ({len(sites)} sites, {folds.count} folds)") + ":", "",
        "| class | found | 95 % | left out by | threshold | reported in other taught sounds | "
        "in built-in backgrounds | in unlabelled stretches |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for each in classes:
        low, high = each.found.interval
        cells = [_cell(each.alarms.get(role)) for role in ("taught", BUILT_IN, UNLABELLED)]
        lines.append(
            f"| {each.label} | {each.found.hits} of {each.found.of} | {100 * low:.0f} – {100 * high:.0f} % | "
            f"{'file' if each.by_file else 'site'} | {each.threshold:.2f} | {' | '.join(cells)} |"
        )
    lines += ["", "The interval takes sounds as independent of each other. Sites differ:", "",
              "| site | " + " | ".join(c.label for c in classes) + " |", "|---|" + "---|" * len(classes)]  # fmt: skip
    for site in sites[:MOST_SITES]:
        lines.append(f"| {site} | " + " | ".join(_cell(c.sites.get(site)) for c in classes) + " |")
    if len(sites) > MOST_SITES:
        lines.append(f"| and {len(sites) - MOST_SITES} more |" + " |" * len(classes))
    lines += ["", *(f"{useless}." for useless in map(not_told_apart, classes) if useless)]
    lines += [
        "A sound is found if one of its windows reaches the threshold. Built-in backgrounds are synthesised: they say",
        "little about your field.",
    ]
    if hits:
        lines += ["", "## Unlabelled sound, not judged", ""]
        lines += [f"- {label}: {unjudged(found)}." for label, found in hits.items()]
    lines += ["", "## What it was taught", ""]
    lines += [f"- {label}: {int(examples.positives(label).sum())} sounds" for label in examples.labels]
    lines += [
        f"- {int((examples.roles == role).sum())} sounds: {role}" for role in sorted(set(examples.roles))
    ]
    lines += [
        "",
        f"Each taught sound, and its score when it was left out: `sounds.csv`. {base.name} may have been trained",
        "on sounds like these: see its own card.",
        "",
    ]
    return "\n".join(lines)


def _cell(share: Share | None) -> str:
    return "–" if share is None or not share.of else f"{share.hits} of {share.of}"
