#!/usr/bin/env python3
"""Whether a built site is whole: usage: links.py FOLDER

Each link and each picture of each page leads to a file of FOLDER, and to a heading that is there; no page
makes the browser fetch anything from another host; and no mark of Markdown is left in the text, as is the
case where the site's dialect reads a document otherwise than its author.
"""
import html.parser
import pathlib
import re
import sys
import urllib.parse

# What a browser fetches by itself. All else is a link, which a reader may follow to another host.
FETCHED = {
    ("audio", "src"), ("embed", "src"), ("form", "action"), ("iframe", "src"), ("image", "href"),
    ("img", "src"), ("img", "srcset"), ("input", "src"), ("link", "href"), ("object", "data"),
    ("script", "src"), ("source", "src"), ("source", "srcset"), ("use", "href"), ("video", "poster"),
    ("video", "src"),
}
CSS = re.compile(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""")
HOST = re.compile(r"""["'`(](?:https?:)?//[\w-]+\.[\w.-]+""")
MARKDOWN = re.compile(r"\]\(|```|\*\*|\| *:?---|^#+ ", re.M)


class Page(html.parser.HTMLParser):
    """A page's anchors, what it refers to, and its text."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links, self.fetched, self.code, self.text = set(), [], [], [], []
        self.inside = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        if tag in ("pre", "code", "script", "style", "textarea"):
            self.inside.append(tag)
        for name, value in attributes:
            value = value or ""
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            elif (tag, name) in FETCHED:
                self.fetched += [v.split()[0] for v in value.split(",")] if name == "srcset" else [value]
            elif name in ("href", "xlink:href"):
                self.links.append(value)
            elif name == "style" or name.startswith("on"):
                self.code.append(value)

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data):
        if not self.inside:
            self.text.append(data)
        elif self.inside[-1] in ("script", "style"):
            self.code.append(data)


def is_elsewhere(target):
    parts = urllib.parse.urlsplit(target)
    return bool(parts.netloc) or parts.scheme not in ("", "data")


class Site:
    def __init__(self, top):
        self.top = top
        self.pages = {p: Page(p.read_text(encoding="utf-8")) for p in sorted(top.rglob("*.html"))}

    def wrong_with(self, place, target):
        """What is wrong with a reference to this site's own files; None when nothing is."""
        parts = urllib.parse.urlsplit(target)
        path, anchor = urllib.parse.unquote(parts.path), urllib.parse.unquote(parts.fragment)
        if parts.scheme == "data":
            return None
        # A server gives 404.html for a path of any depth, so that one begins at the root.
        if path.startswith("/") and place.name != "404.html":
            return "begins at the root of the host, where the site need not be"
        folder = self.top if path.startswith("/") else place.parent
        file = (folder / path.lstrip("/")).resolve() if path else place
        if file.is_dir():
            file = file / "index.html"
        if not file.is_file() or self.top not in file.parents:
            return "leads nowhere"
        if anchor and file in self.pages and anchor not in self.pages[file].anchors:
            return "names no heading"
        return None

    def problems(self, place, page):
        for target in page.fetched:
            wrong = "is fetched from another host" if is_elsewhere(target) else self.wrong_with(place, target)
            if wrong:
                yield f"{target} {wrong}"
        for target in page.links:
            wrong = None if is_elsewhere(target) else self.wrong_with(place, target)
            if wrong:
                yield f"{target} {wrong}"
        for text in page.code:
            yield from self.problems_of_code(place, text)
        for text in page.text:
            if MARKDOWN.search(text):
                yield f"Markdown is left: {' '.join(text.split())[:70]}"

    def problems_of_code(self, place, text):
        for target in map("".join, CSS.findall(text)):
            wrong = "is fetched from another host" if is_elsewhere(target) else self.wrong_with(place, target)
            if wrong:
                yield f"{target} {wrong}"
        for found in HOST.findall(CSS.sub("", text)):
            yield f"{found[1:]} is another host, in a script"

    def all_problems(self):
        for place, page in self.pages.items():
            yield from ((place, problem) for problem in self.problems(place, page))
        for place in sorted(self.top.rglob("*.css")):
            text = place.read_text(encoding="utf-8")
            yield from ((place, problem) for problem in self.problems_of_code(place, text))


def main():
    site = Site(pathlib.Path(sys.argv[1]).resolve())
    if not site.pages:
        sys.exit(f"{site.top}: there is no page")
    found = [f"{place.relative_to(site.top)}: {problem}" for place, problem in site.all_problems()]
    links = sum(len(page.links) + len(page.fetched) for page in site.pages.values())
    print("\n".join(dict.fromkeys(found)) or f"{len(site.pages)} pages, {links} links: each leads somewhere")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
