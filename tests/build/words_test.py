#!/usr/bin/env python3
"""The documents are written for somebody busy, who is no native speaker: usage: words_test.py SOURCE_FOLDER

A sentence of README.md or of a page below docs/ has at most 35 words, and no page has a word of WORDS; nor has a text
in quotes of the programs' source. Man pages are made of docs/tools. Tables, blocks of code and headings are no
sentences; a name in backquotes is one word.
"""
import pathlib
import re
import sys

MOST = 35
# What is said instead.
WORDS = {r"mend(?:s|ed|ing)?": "repair, put right, update, correct", r"vouch(?:es|ed)?": "sign, confirm",
         r"the same holds for": "say it of both", r"hence(?:forth)?|thus|thereby|whereby": "so",
         r"there(?:of|in|upon|to)|here(?:in|by|of|with)|where(?:in|upon|of)": "of it, in it, by this",
         r"lest": "so that it does not", r"albeit|notwithstanding": "although", r"whilst": "while", r"hitherto": "until now"}
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
    yield from odd_words(re.sub(r"`[^`]*`", "", text))


def odd_words(text):
    for word, instead in WORDS.items():
        for found in re.finditer(rf"\b(?:{word})\b", text, re.I):
            yield f"'{found[0]}': plainer is {instead}"


def messages(text):
    """What stands in quotes in C++, without its comments, which are for us."""
    return "\n".join(re.findall(r'"((?:[^"\\\n]|\\.)*)"', re.sub(r"^\s*//.*", "", text, flags=re.M)))


def main():
    top = pathlib.Path(sys.argv[1])
    # It can fail.
    assert len(list(problems_of("word " * 35 + "word.\n\nWho mends it?"))) == 2
    assert list(odd_words(messages('// lest\nx("why, hence");  // albeit "x"\n'))) == ["'hence': plainer is so"]
    assert not list(problems_of("word " * 34 + "word.\n\n| " + "word " * 50 + "|\n\n    " + "word " * 50))
    pages = [top / "README.md", *sorted(top.glob("docs/**/*.md"))]
    found = [f"{page.relative_to(top)}: {problem}" for page in pages for problem in problems_of(page.read_text(encoding="utf-8"))]
    sources = [source for folder in ("src", "tools") for source in sorted((top / folder).glob("**/*.cc"))]
    found += [f"{source.relative_to(top)}: {problem}" for source in sources
              for problem in odd_words(messages(source.read_text(encoding="utf-8")))]
    print("\n".join(found) or f"{len(pages)} pages and {len(sources)} sources in plain words")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
