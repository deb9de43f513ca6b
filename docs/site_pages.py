"""What the site has beside `docs/`: pages and files that stand elsewhere in the repository.

MkDocs calls the functions whose names begin with `on_`.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

from markdown_it import MarkdownIt
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docs import http_calls

ROOT = Path(__file__).resolve().parents[1]

ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "examples/README.md": "examples/README.md",
}
"""Pages by where they stand in the repository, and what they are called on the site."""

_SOURCE = "source/"
"""Where the site has files of code."""

CODE_OR_LINK = re.compile(
    r"^ *```.*?^ *```"
    r"|(\[(?:`[^`\n]+`|[^\]`])*\]\()([^)\s:#]+)((?:#[^)\s]*)?\))"
    r"|`[^`\n]+`",
    re.DOTALL | re.MULTILINE,
)
"""What looks like a link in code is none."""

AS_CODE_HOSTS = MarkdownIt("commonmark").enable("table")

FROM_NETWORK = re.compile(
    r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//[^>]*>"""
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that stand elsewhere, and the files of code that pages lead to."""
    for name, site_name in ELSEWHERE.items():
        path = str(ROOT / name)
        files.append(File.generated(config, site_name, abs_src_path=path))
    files.append(File.generated(config, "http-api.md", content=http_calls.page()))
    named = {
        place
        for page in files.documentation_pages()
        for place in _places(page.content_string, page.src_uri)
    }
    for place in sorted(named):
        if _is_code_elsewhere(place):
            content = _as_page(place)
            uri = _on_site(place)
            files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to where things are on the site."""
    del config, files

    def led(found: re.Match[str]) -> str:
        if found[2] is None:
            return found[0]
        place = _place(found[2], page.file.src_uri)
        from_page = str(PurePosixPath(page.file.src_uri).parent)
        return f"{found[1]}{relpath(_on_site(place), from_page)}{found[3]}"

    return CODE_OR_LINK.sub(led, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Refuse a page that code hosts read otherwise: they are more generous with what is indented.

    Raises:
        PluginError: it names the page, and what is too few or too many.
    """
    del config, files
    elsewhere = AS_CODE_HOSTS.render(page.markdown or "")
    for tag in ("li", "pre", "table"):
        here, there = (len(re.findall(rf"<{tag}\b", text)) for text in (html, elsewhere))
        if here != there:
            msg = (
                f"{page.file.src_uri} has {here} <{tag}> here, {there} on code hosts: indent what"
                " belongs to an item of a list by four blanks, with empty lines around it"
            )
            raise PluginError(msg)
    return html


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Refuse a page that would load anything from the network.

    Raises:
        PluginError: it names the page, and what it would load.
    """
    del config
    found = FROM_NETWORK.search(output)
    if found is not None:
        msg = f"{page.file.src_uri} is not to be read offline: {found[0]}"
        raise PluginError(msg)
    return output


def _places(markdown: str, site_name: str) -> Iterator[str]:
    for found in CODE_OR_LINK.finditer(markdown):
        if found[2] is not None:
            yield _place(found[2], site_name)


def _place(target: str, site_name: str) -> str:
    """Return what a page's link leads to, from the repository's top."""
    return normpath(PurePosixPath(_in_repository(site_name)).parent / target)


def _in_repository(site_name: str) -> str:
    for name, on_site in ELSEWHERE.items():
        if on_site == site_name:
            return name
    if site_name.startswith(_SOURCE):
        return site_name.removeprefix(_SOURCE)
    return f"docs/{site_name}"


def _on_site(place: str) -> str:
    """Return what a place of the repository is called on the site."""
    if place in ELSEWHERE:
        return ELSEWHERE[place]
    if place == "docs/README.md":
        return "index.md"
    if place.startswith("docs/"):
        return place.removeprefix("docs/")
    return f"{_SOURCE}{place.removesuffix('.md')}.md"


def _is_code_elsewhere(place: str) -> bool:
    is_elsewhere = place not in ELSEWHERE and not place.startswith("docs/")
    return is_elsewhere and (ROOT / place).is_file()


def _as_page(place: str) -> str:
    """Return a page that shows a file of the repository; a page of its own stays what it is."""
    text = (ROOT / place).read_text(encoding="utf-8")
    if place.endswith(".md"):
        return text
    language = PurePosixPath(place).suffix.removeprefix(".") or "text"
    head = f"---\nsearch:\n  exclude: true\n---\n\n# {place}\n"
    return f"{head}\n````{language}\n{text}````\n"
