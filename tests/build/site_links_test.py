#!/usr/bin/env python3
"""What tools/site/links.py finds in a site, and what it lets pass: usage: site_links_test.py CHECKER"""
import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECKER = pathlib.Path(sys.argv.pop(1)).resolve()
sys.path.insert(0, str(CHECKER.parent))
import links  # pylint: disable=import-error,wrong-import-position

WHOLE = {
    "index.html": '<link rel="stylesheet" href="site.css"><h1 id="top">x</h1><a href="#top">up</a>'
                  '<a href="tools/a.html#b">a</a><a href="https://example.org/">elsewhere</a>'
                  '<a href="mailto:a@example.org">mail</a><img src="data:image/gif;base64,R0lG"><img src="plot.svg">'
                  '<pre>a `code` with [a](link) and ```</pre><code>**</code>',
    "tools/a.html": '<h2 id="b">y</h2><a href="../index.html">back</a><a href="..">back</a>',
    "404.html": '<a href="/tools/a.html">a</a>',
    "site.css": 'body { background: url("plot.svg?v=1") }',
    "plot.svg": "<svg/>",
}


class SiteLinks(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = pathlib.Path(folder.name).resolve() / "site"
        (self.top / "tools").mkdir(parents=True)

    def write(self, files):
        for name, text in files.items():
            (self.top / name).write_text(text, encoding="utf-8")

    def check(self):
        return subprocess.run([CHECKER, self.top], capture_output=True, text=True, check=False)

    def problem(self, text, place="tools/a.html"):
        """The one that a page, or style sheet, has with this text behind what is there."""
        self.write(WHOLE | {place: WHOLE[place] + text})
        [(where, problem)] = links.Site(self.top).all_problems()
        self.assertEqual(where, self.top / place)
        return problem

    def test_a_whole_site_is_content(self):
        self.write(WHOLE)
        done = self.check()
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertEqual(done.stdout, "3 pages, 10 links: each leads somewhere\n")

    def test_a_mistake_is_a_line_and_an_exit_status(self):
        self.write(WHOLE | {"tools/a.html": '<a href="b.html">b</a>'})
        done = self.check()
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertEqual(done.stdout, "index.html: tools/a.html#b names no heading\n"
                                      "tools/a.html: b.html leads nowhere\n")

    def test_a_link_to_a_file_that_is_not_there(self):
        self.assertEqual(self.problem('<a href="b.html">b</a>'), "b.html leads nowhere")
        self.assertEqual(self.problem('<img src="b.png">'), "b.png leads nowhere")
        self.assertEqual(self.problem('<img srcset="../plot.svg 1x, b.png 2x">'), "b.png leads nowhere")
        self.assertEqual(self.problem('<script src="../jquery.js"></script>'), "../jquery.js leads nowhere")
        self.assertEqual(self.problem("a { background: url(b.png) }", "site.css"), "b.png leads nowhere")

    def test_a_link_out_of_the_site(self):
        (self.top.parent / "outside").write_text("")
        self.assertEqual(self.problem('<a href="../../outside">x</a>'), "../../outside leads nowhere")
        self.assertIn("begins at the root", self.problem('<a href="/tools/a.html">x</a>'))

    def test_a_heading_that_is_not_there(self):
        self.assertEqual(self.problem('<a href="#c">c</a>'), "#c names no heading")
        self.assertEqual(self.problem('<a href="../index.html#b">b</a>'), "../index.html#b names no heading")

    def test_what_is_fetched_from_another_host(self):
        for text in ('<script src="https://example.org/x.js"></script>', '<img src="//example.org/x.png">',
                     '<link rel="stylesheet" href="http://example.org/x.css">', '<iframe src="https://example.org/x">',
                     '<form action="https://example.org/x"></form>', '<p style="background: url(https://example.org/x)">'):
            self.assertIn("is fetched from another host", self.problem(text), text)
        self.assertIn("is fetched from another host", self.problem('@import "https://example.org/x.css";', "site.css"))
        self.assertIn("is another host, in a script", self.problem('<script>fetch("https://example.org/x")</script>'))

    def test_markdown_that_is_left(self):
        for text in ("<p>see [a](b.md)</p>", "<p>```</p>", "<p>**bold**</p>", "<p>| --- | --- |</p>"):
            self.assertIn("Markdown is left", self.problem(text), text)

    def test_no_page_at_all(self):
        done = self.check()
        self.assertEqual(done.returncode, 1)
        self.assertIn("there is no page", done.stderr)


unittest.main()
