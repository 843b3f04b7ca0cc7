"""What MkDocs is told beyond ``mkdocs.yml``: the page of commands, pages it does not name, links out of ``docs/``.

The page of commands is made from the commands whenever the site is built, so it cannot be out of date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mkdocs.structure.files import File


def on_files(files: Any, config: Any) -> Any:
    """Add the page of commands, and at the end of the navigation every page that it does not name."""
    files.append(File.generated(config, "commands.md", content=commands_page()))
    named = str(config["nav"])
    further = [file.src_uri for file in files.documentation_pages() if f"'{file.src_uri}'" not in named]
    if further:
        config["nav"].append({"Further": further})
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Lead links out of ``docs/`` to the repository, and set lists off from the lines before them."""
    # Elsewhere a list may follow a paragraph at once; here it needs an empty line, or it is no list.
    lines, fenced, before = [], False, ""
    for line in markdown.splitlines():
        fenced ^= line.lstrip().startswith("```")
        item = re.match(r"([-*]|\d+\.) ", line)
        if item and not fenced and before.strip() and not re.match(r"\s|([-*]|\d+\.) ", before):
            lines.append("")
        lines.append(line)
        before = line
    place = f"{config['repo_url']}/blob/main/"
    return re.sub(r"\]\(\.\./", f"]({place}", "\n".join(lines) + "\n")


def commands_page() -> str:
    """Every command with its help, as Markdown."""
    parts = [
        "# All commands\n",
        "What `--help` says of each, made from the program. The other pages explain and show.\n",
    ]
    for name, command in commands():
        title = f"sonoscope {name}"
        context = command.make_context(title, [], resilient_parsing=True)
        parts.append(f"## {title}\n\n```\n{context.get_help().strip()}\n```\n")
    return "\n".join(parts)


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that can be typed, by its words: ``data render``."""
    from sonoscope.cli.commands import root

    def walk(group: Any, words: list[str]) -> Iterator[tuple[str, Any]]:
        for name in group.list_commands(None):
            command = group.get_command(None, name)
            if hasattr(command, "list_commands"):
                yield from walk(command, [*words, name])
            else:
                yield " ".join([*words, name]), command

    yield from walk(root(), [])
