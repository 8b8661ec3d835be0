"""Chromium without a screen, for whoever looks at pages: the site (look.py) and the tests of other pages."""
import base64
import contextlib
import json
import os
import pathlib
import select
import subprocess
import tempfile
import time

# How long one step may take on a busy machine.
SECONDS = 40

# For JavaScript that looks at a page. pale_texts(view) gives texts of the page in this window with less contrast than that of
# WCAG 2.1 AA (1.4.3: 4.5 to 1, of large text 3 to 1).
CONTRAST = """
function parts(colour) { return colour.match(/[0-9.]+/g).map(Number); }
function light(colour) {
  const [r, g, b] = parts(colour).map(c => (c /= 255) <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b;
}
function behind(view, element) {
  for (; element; element = element.parentElement) {
    const colour = view.getComputedStyle(element).backgroundColor;
    if (parts(colour)[3] !== 0) return colour;
  }
  return "rgb(255, 255, 255)";
}
function pale_texts(view) {
  const texts = new Set(), walk = view.document.createTreeWalker(view.document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement, style = view.getComputedStyle(element);
    if (!walk.currentNode.data.trim() || style.display === "none" || element.closest("script, title")) continue;
    const colour = element instanceof view.SVGElement ? style.fill : style.color;
    const pair = [light(colour), light(behind(view, element))].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize), is_large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
    if ((pair[0] + .05) / (pair[1] + .05) < (is_large ? 3 : 4.5)) texts.add(walk.currentNode.data.trim().slice(0, 40));
  }
  return [...texts];
}
"""


def command(profile, *options):
    """Chromium's command line. `profile` is a folder of its own."""
    return ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", *options]


class StandsStill(Exception):
    """Chromium does not answer."""


def tried_again(work):
    """What `work` gives; on a busy machine Chromium stands still now and then, and is begun anew once."""
    try:
        return work()
    except (StandsStill, subprocess.TimeoutExpired):
        return work()


class Page:
    """A page in a Chromium that is told what to do (Chrome DevTools Protocol, over its pipe)."""

    def __init__(self, process, to_browser, from_browser):
        self.process, self.to_browser, self.from_browser = process, to_browser, from_browser
        self.number, self.waiting, self.session = 0, b"", None
        self.loads = 0
        self.messages = []  # what a console would show
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def receive(self):
        """One message of Chromium's."""
        end = time.monotonic() + SECONDS
        while b"\0" not in self.waiting:
            if not select.select([self.from_browser], [], [], max(0, end - time.monotonic()))[0]:
                raise StandsStill
            piece = os.read(self.from_browser, 1 << 20)
            if not piece:
                raise StandsStill
            self.waiting += piece
        text, _, self.waiting = self.waiting.partition(b"\0")
        message = json.loads(text)
        method, said = message.get("method"), message.get("params", {})
        if method == "Log.entryAdded":
            self.messages.append(said["entry"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.messages.append(" ".join(str(one.get("value")) for one in said["args"]))
        elif method == "Runtime.exceptionThrown":
            self.messages.append(str(said["exceptionDetails"]))
        elif method == "Page.loadEventFired":
            self.loads += 1
        return message

    def ask(self, method, **parameters):
        """The answer to a command."""
        self.number += 1
        question = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            question["sessionId"] = self.session
        os.write(self.to_browser, json.dumps(question).encode() + b"\0")
        while True:
            message = self.receive()
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]

    def open(self, address):
        """Loads a page, and waits for that."""
        loads = self.loads
        self.ask("Page.navigate", url=address)
        while self.loads == loads:
            self.receive()

    def run(self, script):
        """What an expression of JavaScript gives in the page."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def press(self, key, code, text=""):
        """A key of the keyboard, by its name and its number."""
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code,
                     **({"text": text} if text and kind == "keyDown" else {}))

    def show_as(self, width=1280, height=900, is_dark=False, medium=""):
        """The size of the window, the colours that its user likes, and "print" for paper."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.ask("Emulation.setEmulatedMedia", media=medium,
                 features=[{"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}])

    def picture(self):
        """What is to be seen, as PNG."""
        return base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])

    def paper(self):
        """The page printed, as PDF."""
        return base64.b64decode(self.ask("Page.printToPDF", preferCSSPageSize=True)["data"])


@contextlib.contextmanager
def opened(address=None):
    """A Page, at an address if there is one."""
    with contextlib.ExitStack() as ends, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        pipes = [*os.pipe(), *os.pipe()]
        for end in pipes:
            ends.callback(os.close, end)
        # It reads from descriptor 3, and writes to 4.
        process = subprocess.Popen(
            ["bash", "-c", 'exec 3<&"$0" 4>&"$1"; shift; exec "$@"', str(pipes[0]), str(pipes[3]),
             *command(profile, "--remote-debugging-pipe")],
            pass_fds=(pipes[0], pipes[3]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            page = Page(process, pipes[1], pipes[2])
            if address:
                page.open(address)
            yield page
        finally:
            process.kill()
            process.wait()


def address_of(path):
    """Of a file, as one who opens an attachment has it."""
    return pathlib.Path(path).resolve().as_uri()
