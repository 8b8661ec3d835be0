#!/usr/bin/env python3
"""The documents are written for somebody busy, who is no native speaker: usage: words_test.py SOURCE_FOLDER

A sentence of README.md or of a page below docs/ has at most 35 words, and no page has a word of WORDS. Tables, blocks of
code and headings are no sentences; a name in backquotes is one word.
"""
import pathlib
import re
import sys

MOST = 35
# What is said instead.
WORDS = {r"mend(?:s|ed|ing)?": "repair, put right, update, correct", r"vouch(?:es|ed)?": "sign, confirm",
         r"the same holds for": "say it of both"}
# Lists of links, which are no sentences.
NO_SENTENCES = " · "


def sentences(text):
    """Those of a page, each on one line."""
    text = re.sub(r"^( *)```.*?^\1```", "", text, flags=re.S | re.M)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )|\n(?=[|#])|(?<=\|)\n", text):
        if paragraph.startswith(("    ", "|", "#")) or NO_SENTENCES in paragraph:
            continue
        line = re.sub(r"`[^`]*`", "X", " ".join(paragraph.split()))
        line = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", line)
        yield from re.split(r"(?<=[.!?:;])[)*]*\s+", line)


def problems_of(text):
    for sentence in sentences(text):
        if len(sentence.split()) > MOST:
            yield f"{len(sentence.split())} words, of at most {MOST}: {sentence}"
    for word, instead in WORDS.items():
        for found in re.finditer(rf"\b{word}\b", re.sub(r"`[^`]*`", "", text), re.I):
            yield f"'{found[0]}': plainer is {instead}"


def main():
    top = pathlib.Path(sys.argv[1])
    # It can fail.
    assert len(list(problems_of("word " * 35 + "word.\n\nWho mends it?"))) == 2
    assert not list(problems_of("word " * 34 + "word.\n\n| " + "word " * 50 + "|\n\n    " + "word " * 50))
    pages = [top / "README.md", *sorted(top.glob("docs/**/*.md"))]
    found = [f"{page.relative_to(top)}: {problem}" for page in pages for problem in problems_of(page.read_text(encoding="utf-8"))]
    print("\n".join(found) or f"{len(pages)} pages in plain words")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
