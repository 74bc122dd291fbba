"""Makes the site of pages that are written for GitHub.

Some pages stand at the top of the repository and take part all the same; links between them and docs/ lose the folder. Where a
page has `<!-- ::: callerid.Guard: check, acheck -->`, which GitHub does not show, the site has what the docstrings of that object
and of these members say; of all members, if none is named.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
TOP = ("SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.md")
SCHEMA = "middleware/callerid/callerid.schema.json"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    for name in (*TOP, SCHEMA):
        files.append(File.generated(config, Path(name).name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    if page.file.src_uri in TOP:
        return re.sub(r"\]\(docs/", "](", markdown)
    for name in (*TOP, SCHEMA):
        markdown = markdown.replace(f"](../{name}", f"]({Path(name).name}")
    return re.sub(r"^<!-- ::: ([\w.]+)(?:: (.*))? -->$", _directive, markdown, flags=re.MULTILINE)


def _directive(found: re.Match[str]) -> str:
    name, members = found.groups()
    return f"::: {name}\n" + (f"    options:\n      members: [{members}]\n" if members else "")
