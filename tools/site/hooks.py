"""Hooks of mkdocs.yml: the documents are written to be read in the tree, and become a site."""
import os
import pathlib
import re

from mkdocs.structure.files import File

# Pages that are not below docs/. The first is the site's first page.
OUTSIDE = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "certs/README.md")
CELL = re.compile(r"<td.*?</td>", re.S)
# A date, an option, a file name in a cell; look.py has the same rule.
WHOLE = re.compile(r"(?<!\S)[^\s<>]{2,36}(?!\S)")
LINK = re.compile(r"\[([^]\[]+)\]\(([^)\s]+)\)")


def anchor(heading, separator):
    """The name of a heading in links, as pages that show the tree give it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", separator)


def on_config(config):
    config["mdx_configs"]["toc"]["slugify"] = anchor
    return config


def on_files(files, config):
    top = os.path.dirname(config["config_file_path"])
    for path in OUTSIDE:
        files.append(File(path, top, config["site_dir"], config["use_directory_urls"]))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links as the site needs them. What is in the tree and not on the site is named, not linked."""
    top = pathlib.Path(config["config_file_path"]).parent
    folder = pathlib.Path(page.file.abs_src_path).parent
    place = {f.abs_src_path: f.src_uri for f in files}

    def link(match):
        text, target = match.groups()
        path, _, heading = target.partition("#")
        there = os.path.normpath(folder / path)
        if not path or "://" in path or not os.path.exists(there):  # which mkdocs complains about
            return match.group(0)
        if os.path.isdir(there):
            there = os.path.join(there, "README.md")
        if there not in place:
            name = os.path.relpath(folder / path, top)
            return text if name in text.replace("`", "") else f"{text} (`{name}` in the source)"
        path = os.path.relpath(place[there], os.path.dirname(page.file.src_uri) or ".")
        return f"[{text}]({path}{'#' + heading if heading else ''})"

    return LINK.sub(link, markdown)


def on_page_content(html, page, config, files):  # pylint: disable=unused-argument
    """In a table's cells, a word with a hyphen and one of code are no place to break a line."""
    def cell(match):
        parts = re.split(r"(<[^>]*>)", match.group(0))
        for at in range(0, len(parts), 2):
            is_code = at > 0 and parts[at - 1] == "<code>"
            parts[at] = WHOLE.sub(lambda word: f'<span class="whole">{word[0]}</span>'
                                  if is_code or "-" in word[0] else word[0], parts[at])
        return "".join(parts)

    return CELL.sub(cell, html)
