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
        path
        for page in files.documentation_pages()
        for path in _link_targets(page.content_string, page.src_uri)
    }
    for path in sorted(named):
        if _is_code_elsewhere(path):
            content = _as_page(path)
            uri = _on_site(path)
            files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to where things are on the site."""
    del config, files

    def relinked(match: re.Match[str]) -> str:
        if match[2] is None:
            return match[0]
        path = _link_target(match[2], page.file.src_uri)
        from_page = str(PurePosixPath(page.file.src_uri).parent)
        return f"{match[1]}{relpath(_on_site(path), from_page)}{match[3]}"

    return CODE_OR_LINK.sub(relinked, markdown)


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
    match = FROM_NETWORK.search(output)
    if match is not None:
        msg = f"{page.file.src_uri} is not to be read offline: {match[0]}"
        raise PluginError(msg)
    return output


def _link_targets(markdown: str, site_name: str) -> Iterator[str]:
    for match in CODE_OR_LINK.finditer(markdown):
        if match[2] is not None:
            yield _link_target(match[2], site_name)


def _link_target(target: str, site_name: str) -> str:
    """Return what a page's link leads to, from the repository's top."""
    return normpath(PurePosixPath(_in_repository(site_name)).parent / target)


def _in_repository(site_name: str) -> str:
    for name, on_site in ELSEWHERE.items():
        if on_site == site_name:
            return name
    if site_name.startswith(_SOURCE):
        return site_name.removeprefix(_SOURCE)
    return f"docs/{site_name}"


def _on_site(path: str) -> str:
    """Return the path on the site of a file of the repository."""
    if path in ELSEWHERE:
        return ELSEWHERE[path]
    if path == "docs/README.md":
        return "index.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return f"{_SOURCE}{path.removesuffix('.md')}.md"


def _is_code_elsewhere(path: str) -> bool:
    is_elsewhere = path not in ELSEWHERE and not path.startswith("docs/")
    return is_elsewhere and (ROOT / path).is_file()


def _as_page(path: str) -> str:
    """Return a page that shows a file of the repository; a page of its own stays what it is."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".md"):
        return text
    language = PurePosixPath(path).suffix.removeprefix(".") or "text"
    head = f"---\nsearch:\n  exclude: true\n---\n\n# {path}\n"
    return f"{head}\n````{language}\n{text}````\n"
