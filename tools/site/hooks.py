"""Hooks of mkdocs.yml: the documents are written to be read in the tree, and become a site."""
import pathlib
import re

from mkdocs.structure.files import File

LINK = re.compile(r"\[([^]\[]+)\]\(([^)\s]+)\)")


def on_files(files, config):
    """README.md, which is not below docs/, is the site's first page."""
    top = pathlib.Path(config["config_file_path"]).parent
    files.append(File("README.md", str(top), config["site_dir"], config["use_directory_urls"]))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links as the site needs them. What is in the tree and not on the site is named, not linked."""
    folder = pathlib.PurePosixPath(page.file.src_uri).parent
    is_first = page.file.src_uri == "README.md"

    def link(match):
        text, target = match.groups()
        path, _, anchor = target.partition("#")
        if not path or "://" in path:
            return match.group(0)
        if is_first:
            path = path.removeprefix("docs/") if path.startswith("docs/") else "../" + path
        in_docs = []
        for part in (folder / path).parts:
            if part == ".." and in_docs and in_docs[-1] != "..":
                in_docs.pop()
            else:
                in_docs.append(part)
        place = "/".join(in_docs)
        if place == "../README.md":
            path = "../" * len(folder.parts) + "README.md"
        elif place.startswith(".."):
            name = place.removeprefix("../")
            return text if name in text.replace("`", "") else f"{text} (`{name}` in the source)"
        return f"[{text}]({path}{'#' + anchor if anchor else ''})"

    return LINK.sub(link, markdown)
