#!/usr/bin/env python3
"""Looks at the site as a reader does: usage: look.py FOLDER

Each page is loaded from a web server by Chromium, in the width of a phone and of a desk, in light and dark colours. It
must not be wider than the window, no script and no file of it may fail, and text has the contrast of WCAG 2.1 AA
(1.4.3: 4.5 to 1, of large text 3 to 1). At a desk, no cell of a table breaks a word with a hyphen or one of code of up to
36 characters, such as a date or an option. In each picture (*.svg) no label is upon another one or cut off, and labels
have the contrast of text. The search finds the name of the site.
"""
import functools
import html
import http.server
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import threading

import browser

WIDTHS = (390, 1280)
# In each page, before all else.
LISTEN = b"""<script>
addEventListener("error", e => parent.tell(e.message || "cannot load " + (e.target.src || e.target.href)), true);
addEventListener("unhandledrejection", e => parent.tell(String(e.reason)));
console.error = (...words) => parent.tell(words.join(" "));
</script>"""
# In the page of the search, which has results a while after it was loaded. That is told to the server.
SEARCHED = b"""<script>
setInterval(() => { if (document.querySelector("#mkdocs-search-results article")) fetch("/found"); }, 100);
</script>"""
# Around the pages: it loads one after the other, measures it, and leaves what it found for --dump-dom.
FRAME = """<!DOCTYPE html><title>look</title><iframe style="border:0;height:900px"></iframe><pre></pre><script>
const frame = document.querySelector("iframe"), found = [];
let page = "", looked = 0;
function tell(words) { found.push(page + ": " + words); }
CONTRAST_FUNCTIONS
function measure(width) {
  const view = frame.contentWindow, page_document = view.document;
  if (page_document.documentElement.scrollWidth > width) tell("wider than its window, " + width);
  for (const text of pale_texts(view)) tell("too little contrast: " + text);
  if (width >= DESK) for (const cell of page_document.querySelectorAll("td")) breaks(page_document, cell);
}
function breaks(page_document, cell) {
  const walk = page_document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), range = page_document.createRange();
  while (walk.nextNode()) {
    const text = walk.currentNode, is_code = text.parentElement.closest("code");
    for (const word of text.data.matchAll(/(?<!\\S)[^\\s<>&]{2,36}(?!\\S)/g)) {
      if (!is_code && !word[0].includes("-")) continue;
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map(box => box.top)).size > 1) tell("broken in a column: " + word[0]);
    }
  }
}
function measure_picture() {
  const view = frame.contentWindow, picture = view.document, all = picture.documentElement.getBoundingClientRect();
  const labels = [...picture.querySelectorAll("text")].map(text => ({
    element: text, words: text.textContent.trim().replace(/\\s+/g, " "), box: text.getBoundingClientRect()}));
  labels.forEach(({element, words, box}, at) => {
    if (box.left < all.left - 1 || box.right > all.right + 1 || box.top < all.top - 1 || box.bottom > all.bottom + 1)
      tell("a label is cut off: " + words);
    for (const other of labels.slice(at + 1)) {
      const wide = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
      const high = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
      if (wide > 1 && high > 1) tell("labels overlap: " + words + " and " + other.words);
    }
    let back = view.matchMedia("(prefers-color-scheme: dark)").matches ? "rgb(22, 27, 32)" : "rgb(255, 255, 255)";
    for (const below of picture.elementsFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2)) {
      const fill = view.getComputedStyle(below).fill;
      if (!below.closest("text") && below instanceof view.SVGGeometryElement && fill.startsWith("rgb(")) {
        back = fill;
        break;
      }
    }
    const pair = [light(view.getComputedStyle(element).fill), light(back)].sort((a, b) => b - a);
    if ((pair[0] + .05) / (pair[1] + .05) < 4.5) tell("too little contrast: " + words);
  });
}
function load(address) {
  return new Promise(ready => { frame.onload = ready; frame.src = address; });
}
async function look() {
  for (page of PAGES) {
    for (const width of WIDTHS) {
      frame.style.width = width + "px";
      await load(page);
      measure(width);
      ++looked;
    }
  }
  for (page of PICTURES) {
    await load(page);
    measure_picture();
    ++looked;
  }
  document.querySelector("pre").textContent = JSON.stringify({looked, found: [...new Set(found)]});
}
look();
</script>"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """The site, with LISTEN in each page, and FRAME at /look. /found says that the search has results."""

    frame = b""
    found = threading.Event()

    def handle(self):
        try:
            super().handle()
        except ConnectionError:
            pass  # Chromium went on to the next page before it had all

    def do_GET(self):  # pylint: disable=invalid-name
        path = pathlib.Path(self.translate_path(self.path))
        if self.path == "/look":
            content = self.frame
        elif self.path == "/found":
            self.found.set()
            content = b""
        elif self.path.startswith("/search.html?"):
            content = (pathlib.Path(self.directory) / "search.html").read_bytes().replace(b"<head>", b"<head>" + SEARCHED, 1)
        elif path.suffix == ".html" and path.is_file():
            content = path.read_bytes().replace(b"<head>", b"<head>" + LISTEN, 1)
        else:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


def loaded(port, is_dark):
    """One run of Chromium's."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        return subprocess.run(
            browser.command(
                profile, f"--blink-settings=preferredColorScheme={0 if is_dark else 1}", "--window-size=1300,900",
                f"--virtual-time-budget={browser.SECONDS * 1000}", "--dump-dom", f"http://127.0.0.1:{port}/look"),
            capture_output=True, text=True, timeout=2 * browser.SECONDS, check=False)


def look(port, is_dark):
    """What Chromium leaves: how many it looked at, and what it found."""
    done = browser.tried_again(lambda: loaded(port, is_dark))
    result = re.search(r"<pre>(\{.*?\})</pre>", done.stdout, re.S)
    if not result:
        sys.exit(f"chromium did not look at the pages: {done.stderr[-1000:]}")
    return json.loads(html.unescape(result[1]))


def search_finds(port, word):
    """Whether the page of the search has results for a word. The search is a worker, for which virtual time does not go on."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        with subprocess.Popen(browser.command(profile, "--remote-debugging-port=0",
                                              f"http://127.0.0.1:{port}/search.html?q={word}"),
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            found = Handler.found.wait(browser.SECONDS)
            process.terminate()
    return found


def main():
    site = pathlib.Path(sys.argv[1]).resolve()
    pages = sorted(str(path.relative_to(site)) for path in site.rglob("*.html"))
    pictures = sorted(str(path.relative_to(site)) for path in site.rglob("*.svg"))
    frame = FRAME.replace("CONTRAST_FUNCTIONS", browser.CONTRAST)
    for word, value in {"PAGES": pages, "PICTURES": pictures, "WIDTHS": WIDTHS, "DESK": max(WIDTHS)}.items():
        frame = re.sub(rf"\b{word}\b", lambda _, value=value: json.dumps(value), frame)
    Handler.frame = frame.encode()
    expected = 2 * (len(WIDTHS) * len(pages) + len(pictures))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    results = [look(server.server_port, is_dark) for is_dark in (False, True)]
    found = sorted({problem for result in results for problem in result["found"]})
    if "search.html" in pages and not search_finds(server.server_port, "varstored"):
        found.append("search.html: the search finds nothing")
    server.shutdown()
    looked = sum(result["looked"] for result in results)
    if looked != expected or not pages:
        found.append(f"{looked} of {expected} were looked at")
    print("\n".join(found) or f"{len(pages)} pages fit phone and desk, in light and dark")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
