#!/usr/bin/env python3
"""A term is a link where a page uses it first: usage: terms_test.py SOURCE_FOLDER

The terms are those of the first table of docs/glossary.md, whose rows have anchors. README.md and each page of docs/
(not of docs/tools, of which man pages are made, and no page that a test writes, which says "Made by") links the first use of each to its row. A use is the term as the
glossary writes it, also with a capital letter at its beginning, with an "s" or an "'s" behind it, and over the end of a
line. Headings, code, the text of other links, the head and the first column of a table, and tables that a
program makes (<!-- begin NAME -->) are no places for such links, so what stands there is no use.
"""
import pathlib
import re
import sys

ROW = re.compile(r'^\| <a id="([\w-]+)"></a>([^|]+?) \|', re.M)
LINK = re.compile(r"\]\((?:docs/)?glossary\.md#([\w-]+)\)")
# In the order in which they are taken out: what looks like a link inside of code is none.
NO_PLACES = [re.compile(pattern, re.M | re.S) for pattern in (
    r"<!-- begin ([\w-]+) -->.*?<!-- end \1 -->", r"<!--.*?-->",
    r"^( *)```.*?^\1```",
    r"(?<=\n\n)    (?! *(?:[-*]|\d+\.) ).*?(?=\n\n(?!    )|\n(?! )|\Z)",  # a block that is indented
    r"(`+)(?!`)(?:(?!\n\n).)+?(?<!`)\1(?!`)",
    r"^#[^\n]*", r"^\|[^\n]*\n(?=\|[ :|-]+\n)", r"^\|[^|\n]*",
    r"!?\[[^][]*\]\([^)]*\)", r"<[^<>\n]*>")]


def terms(glossary):
    """(anchor, term) of each."""
    return [(anchor, term) for anchor, names in ROW.findall(glossary) for term in names.split(", ")]


def pattern_of(term):
    first = f"[{term[0]}{term[0].upper()}]"
    rest = r"\s+".join(re.escape(word) for word in term[1:].split(" "))
    return re.compile(rf"(?<![\w-])(?<!\w[./]){first}{rest}(?:s|'s)?(?![\w-]|[./]\w)")


def places(text):
    """The text, of the same length, with nothing where no use can be."""
    for no_place in NO_PLACES:
        text = no_place.sub(lambda found: re.sub(r"[^\n]", "\0", found[0]), text)
    return text


def plain_uses(text, all_terms):
    """(match, anchor, term) of each first use that is no link, in the order of the text."""
    links = {}
    for link in LINK.finditer(text):
        links.setdefault(link[1], link.start())
    uses = {}
    where = places(text)
    for anchor, term in all_terms:
        use = pattern_of(term).search(where)
        if use and use.start() < links.get(anchor, len(text)):
            if anchor not in uses or use.start() < uses[anchor][0].start():
                uses[anchor] = (use, anchor, term)
    return sorted(uses.values(), key=lambda use: use[0].start())


def problems_of(text, all_terms):
    for use, anchor, term in plain_uses(text, all_terms):
        yield f"{text.count(chr(10), 0, use.start()) + 1}: '{term}' is used first here, and is no link to glossary.md#{anchor}"


def main():
    top = pathlib.Path(sys.argv[1])
    # It can fail, and knows what is no use.
    known = [("db", "db"), ("guard", "guard"), ("setup-mode", "setup mode")]
    assert [line[:7] for line in problems_of("# db\n\nThe\ndbs.\n\nSetup\nmode", known)] == ["4: 'db'", "6: 'set"]
    for text in ("see [db](glossary.md#db), then db", "db.auth, a-db, dbx", "`db` [of db](x.md) | x", "a\n\n    db\n    db\n",
                 "| db |\n| --- |\n| db | x |\n", "```\ndb\n```\n", "<!-- db -->"):
        assert not list(problems_of(text, known)), text
    assert len(list(problems_of("| a | b |\n| --- | --- |\n| db | guard |\n", known))) == 1

    all_terms = terms((top / "docs/glossary.md").read_text(encoding="utf-8"))
    pages = {page: page.read_text(encoding="utf-8") for page in (top / "README.md", *sorted(top.glob("docs/*.md")))
             if page.name != "glossary.md"}
    pages = {page: text for page, text in pages.items() if "\nMade by `tests/" not in text}
    found = [f"{page.relative_to(top)}:{problem}" for page, text in pages.items()
             for problem in problems_of(text, all_terms)]
    assert all_terms, "docs/glossary.md has no table of terms"
    print("\n".join(found) or f"{len(all_terms)} terms are links where {len(pages)} pages use them first")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
