#!/usr/bin/env python3
"""varstore-inspect --pool --html, as a reader has it: usage: inspect_page_test.py PROGRAMS_FOLDER SOURCE_FOLDER [PICTURE]

The page of a pool in memory is opened in Chromium as a file, as an attachment is. With PICTURE it is not tested: the picture of
the page of another pool, which README.md shows, is written there. Its keys are Microsoft's, of VARSTORED_TEST_DATA.
"""
import email
import email.policy
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAMS, SOURCE = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
PROGRAM = PROGRAMS / "varstore-inspect"
sys.path += [str(SOURCE / folder) for folder in ("tests/backend/xapi", "tests/health", "tools/site")]
import browser  # noqa: E402  pylint: disable=import-error,wrong-import-position
import guest  # noqa: E402  pylint: disable=import-error,wrong-import-position
import peer  # noqa: E402  pylint: disable=import-error,wrong-import-position
from inspect_pool_test import BROKEN, CLEAN, DANGLING, Pool, uuid_of  # noqa: E402  pylint: disable=import-error,wrong-import-position

# Names that would do something, if a browser took them for its own.
ATTACKS = ["<script>document.title='taken'</script>", "\"><img src=x onerror=\"document.title='taken'\">",
           "</td></tr></table><script src=//x></script>", "</script><script>document.title='taken'</script>",
           "'onfocus='document.title=1'autofocus='", "&lt;script&gt;", "<!--", "]]>", "{{7*7}}${7*7}", "javascript:alert(1)",
           "a\u202eb", "</style><style>*{display:none}", "\x9b31m", "n" * 900]
CASES = ("kek-2023-only", "dbx-svn", "snakeoil-key", "crash-records", "boot-duplicates", "db-revoked-by-dbx", "audit-mode",
         "lists-by-default")
WIDTHS = (390, 800, 1280)
SHOWN = "[...document.querySelectorAll('tbody')].filter(vm => !vm.hidden).map(vm => vm.rows[0].cells[0].firstChild.data)"
# Of a VM: its rows, cells and texts, with its findings and its screen.
MOST_NODES, MOST_BYTES = 60, 9000


def case(name):
    return (SOURCE / "tests/cases" / name / "vm.vars").read_bytes()


class Host:
    """A folder, and a pool of XAPI's that is looked at from it."""

    def __init__(self):
        self.ends = [tempfile.TemporaryDirectory()]
        self.folder = pathlib.Path(self.ends[0].name)
        self.pool = Pool(str(self.folder))
        self.server = peer.Server(str(self.folder / "socket"), self.pool)
        self.page = self.folder / "pool.html"

    def fill(self):
        """VMs as they are in a pool, for people."""
        names = ("mail", "web-1", "web-2", "build", "files", "directory", "desk-017", "backup")
        for number, (name, one) in enumerate(zip(names, CASES)):
            self.pool.add(case(one), name, platform={"secureboot": "true" if number % 2 else "false"},
                          power_state="Running" if number % 3 else "Halted")
        self.pool.add(CLEAN, "clean")
        self.pool.add(DANGLING, "warned")
        self.pool.add(BROKEN, "broken")
        self.pool.add(None, "new", platform={"secureboot": "true"})
        self.pool.add(CLEAN, "gone")
        self.pool.add(CLEAN, "bios", HVM_boot_params={"firmware": "bios"})
        self.pool.faults = {list(self.pool.vms)[-2]: "failure"}

    def inspect(self, *words):
        return subprocess.run([PROGRAM, "--pool", "--html", self.page, *words, "-s", self.folder / "socket", "--wait", "0"],
                              capture_output=True, text=True, timeout=300, check=False)

    def close(self):
        self.server.close()
        self.ends[0].cleanup()


class Page(unittest.TestCase):
    """The page, and Chromium on it, which is begun once for all tests."""

    @classmethod
    def setUpClass(cls):
        cls.host = Host()
        cls.addClassCleanup(cls.host.close)
        cls.prepare()
        # Begun anew where it stands still.
        opened = browser.tried_again(lambda: cls.begin(browser.opened()))
        cls.chromium = opened[1]
        cls.addClassCleanup(opened[0].__exit__, None, None, None)

    @staticmethod
    def begin(opened):
        return opened, opened.__enter__()

    def setUp(self):
        self.chromium.messages.clear()
        self.chromium.show_as()
        self.open()

    def tearDown(self):
        self.assertEqual(self.chromium.messages, [])

    def open(self):
        self.chromium.open(browser.address_of(self.host.page))

    def run_in_page(self, script):
        return self.chromium.run(script)

    def shown(self):
        return self.run_in_page(SHOWN)


class OfAPool(Page):
    @classmethod
    def prepare(cls):
        cls.host.fill()
        cls.done = cls.host.inspect()

    def choose(self, name, value):
        self.run_in_page(f"{{ const field = document.forms[0].elements[{name!r}]; field.value = {value!r};"
                         "field.dispatchEvent(new Event('input', {bubbles: true})) }")

    def sort(self, name):
        """As one without a mouse does it."""
        self.run_in_page(f"[...document.querySelectorAll('thead button')].find(one => one.textContent === {name!r}).focus()")
        self.chromium.press("Enter", 13, "\r")
        return self.run_in_page("Object.fromEntries([...document.querySelectorAll('thead th[aria-sort]')]"
                                ".map(head => [head.textContent, head.getAttribute('aria-sort')]))")

    def cells(self, column):
        return self.run_in_page(f"[...document.querySelectorAll('tbody')].map(vm => vm.rows[0].cells[{column}].textContent)")

    def test_the_program_says_what_it_wrote_and_nothing_else(self):
        self.assertEqual(self.done.returncode, 1)
        self.assertRegex(self.done.stdout, r"\A14 in all: \d+ clean, \d+ with findings, 1 failed, 1 skipped\n\Z")
        self.assertEqual(os.listdir(self.host.folder).count("pool.html"), 1)
        self.assertEqual([name for name in os.listdir(self.host.folder) if name.endswith(".new")], [])

    def test_the_recipe_mails_the_page(self):
        recipe = next(block for block in re.findall(r"```\n(.*?)```", (SOURCE / "docs/fleet.md").read_text(encoding="utf-8"), re.S)
                      if "sendmail" in block)
        self.assertIn("page=/root/vms.html\n", recipe)
        recipe = recipe.replace("/root/vms.html", str(self.host.folder / "mailed.html"))
        sent = self.host.folder / "sent"
        mailer = self.host.folder / "bin/sendmail"
        mailer.parent.mkdir()
        mailer.write_text(f'#!/bin/sh\n[ "$*" = -t ] && cat > {sent}\n', encoding="ascii")
        mailer.chmod(0o755)
        recipe = recipe.replace("--pool", f"--pool -s {self.host.folder}/socket")
        subprocess.run(["sh", "-euc", recipe], check=True, timeout=60,
                       env={"PATH": f"{mailer.parent}:{PROGRAMS}:{os.environ['PATH']}"})
        mail = email.message_from_bytes(sent.read_bytes(), policy=email.policy.default)
        self.assertRegex(mail["Subject"], r"\AUEFI variables: 14 in all: ")
        self.assertEqual((mail["To"], mail.get_filename(), mail.get_content_type()), ("root", "vms.html", "text/html"))
        self.assertEqual(mail.get_payload(decode=True), (self.host.folder / "mailed.html").read_bytes())

    def test_the_worst_stands_first_in_the_file_itself(self):
        names = self.run_in_page("[...document.querySelectorAll('tbody')].map(vm => vm.dataset.worst.split(' ').map(Number))")
        self.assertEqual(names, sorted(names, reverse=True))
        self.assertEqual(len(names), 13)
        self.assertEqual(self.run_in_page("document.querySelector('[role=status]').textContent"), "13 of 13 are shown")

    def test_it_is_sorted_by_the_keyboard_and_says_so(self):
        self.assertEqual(self.run_in_page("document.querySelector('th[aria-sort]').textContent"), "state")
        self.assertEqual(self.sort("name"), {"name": "ascending"})
        names = self.shown()
        self.assertEqual(names[1:], sorted(names[1:]))
        self.assertEqual(self.sort("name"), {"name": "descending"})
        self.assertEqual(self.shown(), names[::-1])
        self.assertEqual(self.sort("room"), {"room": "ascending"})
        rooms = [-1 if room == "--" else int(room) for room in self.cells(9)]
        self.assertEqual(rooms, sorted(rooms))
        self.assertNotEqual([str(room) for room in rooms], sorted(str(room) for room in rooms))
        self.assertEqual(self.sort("svn"), {"svn": "ascending"})
        self.assertEqual(self.cells(8)[-1], "9.0")
        before = self.shown()
        self.assertEqual(self.sort("state"), {"state": "ascending"})
        self.assertEqual(self.cells(1)[0], "cannot be read")
        self.assertNotEqual(self.shown(), before)

    def test_it_is_filtered_by_state_finding_and_text(self):
        self.choose("state", "failed")
        self.assertEqual(self.shown(), ["--"])
        self.choose("state", "")
        self.choose("finding", "boot-order-dangling")
        self.assertIn("warned", self.shown())
        self.assertLess(len(self.shown()), 13)
        self.assertIn(f"{len(self.shown())} of 13 are shown", self.run_in_page("document.body.textContent"))
        self.choose("finding", "")
        self.choose("search", "WEB-")
        self.assertEqual(sorted(self.shown()), ["web-1", "web-2"])
        self.choose("search", uuid_of(0)[:12])
        self.assertEqual(self.shown(), ["mail"])
        # Of the screen.
        self.choose("search", "Windows boot manager before 9.0")
        self.assertEqual(self.shown(), ["web-1"])
        self.choose("search", "nobody has this")
        self.assertEqual(self.shown(), [])
        self.run_in_page("document.querySelector('button[type=reset]').click(); new Promise(done => setTimeout(done))")
        self.assertEqual(len(self.shown()), 13)

    def test_a_screen_is_that_of_one_vm(self):
        path = self.host.folder / "one"
        path.write_bytes(case("dbx-svn"))
        one = subprocess.run([PROGRAM, path], capture_output=True, text=True, check=False, env={"COLUMNS": "100"}).stdout
        screen = self.run_in_page("[...document.querySelectorAll('tbody')].find(vm => vm.textContent.startsWith('\\nweb-1'))"
                                  "?.querySelector('pre').textContent")
        self.assertIn("Windows boot manager before 9.0", screen)
        keys = slice(one.index("\nKeys"), one.index("\nSpace") if "\nSpace" in one else None)
        self.assertIn(one[keys].splitlines()[2], screen)
        self.assertFalse(self.run_in_page("document.querySelector('details').open"))
        self.run_in_page("document.querySelector('summary').focus()")
        self.chromium.press("Enter", 13, "\r")
        self.assertTrue(self.run_in_page("document.querySelector('details').open"))

    def test_the_pictures_say_what_the_table_does(self):
        words = self.run_in_page("[...document.querySelectorAll('svg')].map(one => one.querySelector('title').textContent)")
        self.assertEqual(len(words), 5)
        states = self.cells(1)
        for name in set(states):
            self.assertIn(f"{name}: {states.count(name)}", words[0])
        counts = dict(pair.rsplit(": ", 1) for pair in words[4].split(", "))
        found = self.run_in_page("[...document.querySelectorAll('td li')].map(one => one.textContent)")
        for name in set(found) & set(counts):
            self.assertEqual(int(counts[name]), found.count(name))
        # The longest bar has all the room, and half as many have half of it.
        for bars in self.run_in_page("[...document.querySelectorAll('svg')].map(one => [...one.querySelectorAll('rect')].map("
                                     "bar => [bar.width.baseVal.value, Number(bar.nextElementSibling.textContent)]))"):
            most = max(count for _, count in bars)
            self.assertEqual([width for width, _ in bars], [count * 130 // most for _, count in bars])

    def test_no_width_and_no_colours_hide_anything(self):
        for width in WIDTHS:
            for is_dark in (False, True):
                self.chromium.show_as(width, 900, is_dark)
                self.run_in_page("for (const fold of document.querySelectorAll('details')) fold.open = true")
                self.assertLessEqual(self.run_in_page("document.documentElement.scrollWidth"), width)
                self.assertEqual(self.run_in_page(f"{browser.CONTRAST}; pale_texts(window)"), [])
                picture = self.chromium.picture()
                self.assertEqual(struct.unpack(">II", picture[16:24]), (width, 900))
                back = self.run_in_page("getComputedStyle(document.body).backgroundColor")
                self.assertEqual(back, "rgb(22, 27, 32)" if is_dark else "rgb(255, 255, 255)")

    def test_paper_has_the_table_and_no_controls(self):
        paper = self.chromium.paper()
        self.assertTrue(paper.startswith(b"%PDF-"))
        self.assertGreater(len(re.findall(rb"/Type\s*/Page\b", paper)), 1)
        self.chromium.show_as(medium="print", is_dark=True)
        style = "getComputedStyle(document.querySelector('{}')).{}".format
        for hidden in ("form", ".fold", "[role=status]"):
            self.assertEqual(self.run_in_page(style(hidden, "display")), "none", hidden)
        self.assertEqual(self.run_in_page(style("thead", "display")), "table-header-group")
        self.assertEqual(self.run_in_page(style("body", "color")), "rgb(0, 0, 0)")
        self.assertEqual(self.run_in_page(f"{browser.CONTRAST}; pale_texts(window)"), [])

    def test_a_reader_that_speaks_has_a_name_for_everything(self):
        tree = self.chromium.ask("Accessibility.getFullAXTree")["nodes"]
        unnamed = [node["role"]["value"] for node in tree if not node.get("ignored") and not node.get("name", {}).get("value")
                   and node["role"]["value"] in ("button", "searchbox", "combobox", "image", "img", "region", "table",
                                                 "columnheader", "rowheader", "DisclosureTriangle")]
        self.assertEqual(unnamed, [])
        self.assertIn(("region", "Table"), [(node["role"]["value"], node["name"]["value"]) for node in tree if node.get("name")])
        heads = [node["name"]["value"] for node in tree if node.get("role", {}).get("value") == "columnheader"]
        self.assertEqual(heads[:3], ["name", "state", "mode"])
        self.run_in_page("document.querySelector('thead button').focus()")
        self.chromium.press("Tab", 9)
        self.assertEqual(self.run_in_page("document.activeElement.textContent"), "state")
        self.assertEqual(self.run_in_page("getComputedStyle(document.activeElement).outlineStyle"), "solid")

    def test_it_is_read_without_its_script(self):
        self.chromium.ask("Emulation.setScriptExecutionDisabled", value=True)
        try:
            self.open()
            document = self.chromium.ask("DOM.getDocument", depth=-1)["root"]["nodeId"]

            def how_many(selector):
                return len(self.chromium.ask("DOM.querySelectorAll", nodeId=document, selector=selector)["nodeIds"])

            self.assertEqual([how_many(one) for one in ("tbody", "thead button", "form[hidden]", "svg")], [13, 0, 1, 5])
        finally:
            self.chromium.ask("Emulation.setScriptExecutionDisabled", value=False)

    def test_its_policy_lets_no_other_script_run_and_asks_no_network(self):
        text = self.host.page.read_text(encoding="utf-8")
        policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
        self.assertRegex(policy, r"\Adefault-src 'none'; script-src 'sha256-[\w+/=]{44}'; style-src 'sha256-[\w+/=]{44}'; "
                                 r"base-uri 'none'; form-action 'none'\Z")
        self.assertNotIn("unsafe", policy)
        self.assertIsNone(re.search(r"\s(?:src|href|style|on\w+)=", re.sub(r"<(script|style)>.*?</\1>", "", text, flags=re.S)))
        self.run_in_page("document.body.append(Object.assign(document.createElement('script'), {text: 'document.title = 1'}))")
        self.assertNotEqual(self.run_in_page("document.title"), "1")
        self.assertEqual(len(self.chromium.messages), 1)
        self.chromium.messages.clear()


class OfAttacks(Page):
    @classmethod
    def prepare(cls):
        for name in ATTACKS:
            cls.host.pool.add(CLEAN, name)
        # A boot option, whose description is in the screen.
        text = "</pre></details><img src=x onerror=document.title=1>".encode("utf-16-le") + b"\0\0"
        option = struct.pack("<IH", 1, 4) + text + b"\x7f\xff\x04\x00"
        cls.host.pool.add(guest.blob(guest.entry("Boot0001", option, 7, guest.GLOBAL)), "boots")
        cls.host.inspect("--sort", "name")

    def test_a_name_is_a_text_and_nothing_else(self):
        self.assertEqual(self.run_in_page("document.title"), "UEFI variables of all VMs")
        self.assertEqual(self.run_in_page("[...document.querySelectorAll('script, style, img, iframe, object, base, link')]"
                                          ".map(one => one.localName)"), ["style", "script"])
        self.assertEqual(self.run_in_page("document.querySelectorAll('table').length"), 1)
        shown = set(self.shown())
        self.assertIn("</pre></details><img src=x onerror=document.title=1>",
                      self.run_in_page("[...document.querySelectorAll('pre')].map(one => one.textContent).join()"))
        for name in ATTACKS:
            # As on a terminal.
            self.assertIn(name.replace("\u202e", "\\u{202E}").replace("\x9b", "\\u{009B}"), shown)
        allowed = {"class", "scope", "colspan", "data-worst", "data-state", "data-findings"}
        names = self.run_in_page("[...new Set([...document.querySelectorAll('tbody, tbody *')].flatMap(one => "
                                 "one.getAttributeNames()))]")
        self.assertEqual(set(names) - allowed, set())


class OfAThousand(Page):
    @classmethod
    def prepare(cls):
        contents = [CLEAN, DANGLING, *map(case, CASES[:3]), *map(case, CASES[4:])]
        for number in range(1000):
            cls.host.pool.add(contents[number % len(contents)], f"vm-{number:04}")
        begin = time.monotonic()
        process = subprocess.Popen([PROGRAM, "--pool", "--html", cls.host.page, "-s", cls.host.folder / "socket"],
                                   stdout=subprocess.DEVNULL)
        cls.memory = []

        def note(method):
            if method == "VM.get_record":
                status = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
                cls.memory.append(int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]))

        cls.host.pool.before = note
        process.wait(300)
        print(f"the page of 1000 VMs is made in {time.monotonic() - begin:.1f} s", file=sys.stderr)

    def test_it_is_made_in_memory_that_hardly_grows(self):
        if b"__asan_init" in pathlib.Path(PROGRAM).read_bytes():
            self.skipTest("a sanitizer keeps memory that was given back")
        self.assertEqual(len(self.memory), 1000)
        grown = self.memory[-1] - self.memory[100]
        print(f"{self.memory[100]} kB of memory with 100 VMs, {grown} kB more with 1000", file=sys.stderr)
        self.assertLess(grown, 2 * 900)

    def test_it_is_small_and_opens(self):
        size = self.host.page.stat().st_size
        begin = time.monotonic()
        self.open()
        self.run_in_page("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        took = time.monotonic() - begin
        nodes = self.run_in_page("const walk = document.createTreeWalker(document); let count = 0;"
                                 "while (walk.nextNode()) ++count; count")
        print(f"1000 VMs: {size} bytes, {nodes} nodes, opened in {took:.2f} s", file=sys.stderr)
        self.assertEqual(len(self.shown()), 1000)
        self.assertLess(nodes, 1000 * MOST_NODES)
        self.assertLess(size, 1000 * MOST_BYTES)


def fill_office(pool):
    """A pool as there are many: some VMs are behind with their certificates, some with their revocations."""
    data = pathlib.Path(os.environ["VARSTORED_TEST_DATA"]) / "secureboot_objects"
    owner = bytes.fromhex("bd9afa775903324dbd6028f4e78f784b")

    def lists(kind, contents):
        """A signature list of each (UEFI 2.10, 32.4.1)."""
        return b"".join(bytes.fromhex(kind) + struct.pack("<III", 44 + len(one), 0, 16 + len(one)) + owner + one for one in contents)

    def certificates(*names):
        return lists("a159c0a5e494a74a87b5ab155c2bf072", [(data / "certificates" / name).read_bytes() for name in names])

    def dbx(day):
        listed = json.loads((data / "dbx/dbx_info_msft_latest.json").read_text(encoding="utf-8"))["images"]["x64"]
        return lists("2616c4c14c509240aca941f936934328",
                     [bytes.fromhex(one["authenticodeHash"]) for one in listed if one["dateOfAddition"] <= day])

    of_2011 = ["MicCorKEKCA2011_2011-06-24.der", "MicWinProPCA2011_2011-10-19.der", "MicCorUEFCA2011_2011-06-27.der"]
    of_2023 = ["microsoft_corporation_kek_2k_ca_2023.der", "windows_uefi_ca_2023.der", "microsoft_uefi_ca_2023.der"]
    for number in range(60):
        names = of_2011 + (of_2023 if number % 3 else [])
        keks = [name for name in names if "kek" in name.lower()]
        day = ("2026-04-09", "2025-05-07", "2026-04-09", "2023-05-01")[number % 4]
        entries = [guest.entry(name, content, 0x27, vendor) for name, content, vendor in (
            ("PK", certificates("WindowsOEMDevicesPK.der"), guest.GLOBAL), ("KEK", certificates(*keks), guest.GLOBAL),
            ("db", certificates(*(name for name in names if name not in keks)), guest.SECURITY_DATABASE),
            ("dbx", dbx(day), guest.SECURITY_DATABASE))]
        entries += [guest.entry("BootNext", b"\1\0", 7, guest.GLOBAL)] * (number % 17 == 5)
        pool.add(guest.blob(*entries), f"{('web', 'mail', 'desk', 'build', 'files')[number % 5]}-{number:02}",
                 platform={"secureboot": "true" if number % 7 else "false"}, power_state="Running")
    pool.add(None, "template-2026", is_a_template=True, platform={"secureboot": "true"})


def make_picture(path):
    """For README.md."""
    host = Host()
    try:
        fill_office(host.pool)
        host.inspect()
        with browser.opened(browser.address_of(host.page)) as page:
            page.ask("Emulation.setScrollbarsHidden", hidden=True)
            page.show_as(1280, 800)
            pathlib.Path(path).write_bytes(page.picture())
    finally:
        host.close()


if __name__ == "__main__":
    if len(sys.argv) > 3:
        make_picture(sys.argv[3])
    else:
        unittest.main(argv=sys.argv[:1])
