#!/usr/bin/env python3
"""varstore-inspect --pool --openmetrics: usage: inspect_metrics_test.py PROGRAMS_FOLDER SOURCE_FOLDER

Of a pool of XAPI's in memory, and of a folder of databases. promtool (Debian: prometheus) reads what is written, the rules
and the dashboard.
"""
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import unittest

import inspect_pool_test as pool

SOURCE = pool.SOURCE
RULES = SOURCE / "share/prometheus/alerts.yml"
DASHBOARD = SOURCE / "share/grafana/dashboard.json"
NAME = re.compile(r"\bvarstored_[a-z0-9_]+")
LINE = re.compile(r'([a-z0-9_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"])*",?)+)\})? ([0-9.]+)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def promtool(*words, given=None):
    """Fails also where it only complains."""
    done = subprocess.run(["promtool", *words], input=given, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0 or "FAILED" in done.stdout or (words[:2] == ("check", "metrics") and done.stderr):
        raise AssertionError(f"promtool {words}: {done.stdout}{done.stderr}")


def samples_of(text):
    """{(name, labels): value}; each once, and all of a name together."""
    samples, names = {}, []
    for line in text.splitlines():
        if line.startswith("# "):
            continue
        found = LINE.fullmatch(line)
        if not found:
            raise AssertionError(f"this is no sample: {line!r}")
        name, labels, value = found.groups()
        key = name, tuple(LABEL.findall(labels or ""))
        if key in samples:
            raise AssertionError(f"it is there twice: {key}")
        samples[key] = float(value)
        if names[-1:] != [name]:
            names.append(name)
    if len(names) != len(set(names)):
        raise AssertionError(f"samples of a name are not together: {names}")
    return samples


def expressions(value):
    """All that the dashboard asks for."""
    if isinstance(value, dict):
        return [found for key, inner in value.items()
                for found in ([inner] if key == "expr" else expressions(inner))]
    return [found for inner in value for found in expressions(inner)] if isinstance(value, list) else []


class Metrics(pool.InspectPool):
    def metrics(self, exit_code, *where):
        text = self.inspect(exit_code, "--openmetrics", "-", *where)
        promtool("check", "metrics", given=text)
        self.assertIsNone(re.search("^# EOF", text, re.M))
        return samples_of(text)

    @staticmethod
    def value(samples, metric, **labels):
        """The only one that has these labels; None: there is none."""
        values = [value for (of, there), value in samples.items()
                  if of == f"varstored_{metric}" and labels.items() <= dict(there).items()]
        if len(values) > 1:
            raise AssertionError(f"{metric} {labels}: {values}")
        return values[0] if values else None


class OfXapi(Metrics):
    def setUp(self):
        super().setUp()
        self.pool = pool.Pool(str(self.folder))
        self.where = pool.peer.serve(self, self.pool, self.folder)
        self.file = self.folder / "varstored.prom"

    def test_the_numbers_are_those_of_json(self):
        self.pool.add(pool.CLEAN, "clean")
        self.pool.add(pool.DANGLING, "warned", power_state="Running", platform={"secureboot": "true"})
        self.pool.add(None, "new", is_a_template=True, platform={"secureboot": "true"}, power_state="odd\nstate")
        self.pool.add(pool.CLEAN, "bios", HVM_boot_params={"firmware": "bios"})
        samples = self.metrics(2, *self.where)
        one = self.document(2, *self.where)[1]
        uuid = pool.uuid_of(1)
        usage = one["report"]["usage"]
        for name, labels, value in (
                ("vm_info", {"kind": "vm", "power_state": "Running", "name": "warned"}, 1), ("vm_readable", {}, 1),
                ("vm_findings", {"finding": "boot-order-dangling"}, len(one["report"]["findings"]) - 1),
                ("vm_findings", {"finding": "secure-boot-without-pk"}, 1),
                ("vm_secure_boot_wanted", {}, 1), ("vm_secure_boot_in_force", {}, 0),
                ("vm_certificates", {"generation": "2011"}, 0), ("vm_certificates", {"generation": "2023"}, 0),
                ("vm_certificates_up_to_date", {}, 1), ("vm_dbx_date_seconds", {}, None),
                ("vm_store_free_bytes", {}, usage["store_room_bytes"]), ("vm_dbx_free_bytes", {}, usage["dbx_room_bytes"]),
                ("vm_daemon_uptime_seconds", {}, None)):
            self.assertEqual(self.value(samples, name, uuid=uuid, **labels), value, (name, labels))
        self.assertEqual(self.value(samples, "vm_info", uuid=pool.uuid_of(2), kind="template", power_state="unknown"), 1)
        self.assertIsNone(self.value(samples, "vm_secure_boot_in_force", uuid=pool.uuid_of(2)))
        self.assertIsNone(self.value(samples, "vm_certificates_up_to_date", uuid=pool.uuid_of(2)))
        self.assertEqual([self.value(samples, "pool_vms", state=state) for state in ("clean", "findings", "failed", "skipped")],
                         [2, 1, 0, 1])
        self.assertLess(abs(self.value(samples, "pool_walk_timestamp_seconds") - pathlib.Path("/proc/self").stat().st_ctime), 3600)
        self.assertIsNotNone(self.value(samples, "pool_walk_duration_seconds"))

    def test_the_date_of_dbx_is_seconds_since_1970(self):
        content = bytes.fromhex("26" * 32)
        hashes = bytes.fromhex("2616c4c14c509240aca941f936934328") + struct.pack("<3I", 28 + 48, 0, 48) + bytes(16) + content
        self.pool.add(pool.guest.blob(pool.guest.entry("dbx", hashes, 0x27, pool.guest.SECURITY_DATABASE)), "web")
        lists = self.folder / "lists"
        lists.write_text(json.dumps({"images": {"x64": [
            {"hashType": "SHA256", "authenticodeHash": content.hex(), "dateOfAddition": "2096-02-29"}]}}))
        samples = self.metrics(0, "--lists", str(lists), *self.where)
        self.assertEqual(self.value(samples, "vm_dbx_date_seconds"), 3981312000)

    def test_a_hostile_name_is_one_label_of_bounded_length(self):
        names = ('a"} 7\nvarstored_vm_readable{uuid="x"} 1\n', "back\\slash\\", "\\n", "\u202e\x9b31m\u2028", "ä" * 5000, "\\" * 5000,
                 "", "# EOF\n", "💥{{ $value }}")
        for name in names:
            self.pool.add(pool.CLEAN, name)
        samples = self.metrics(0, *self.where)
        shown = [dict(labels) for (name, labels) in samples if name == "varstored_vm_info"]
        self.assertEqual([one["uuid"] for one in shown], [pool.uuid_of(i) for i in range(len(names))])
        self.assertTrue(all(len(one["name"]) <= 2 * 128 for one in shown), shown)
        self.assertEqual(shown[0]["name"], r'a\"} 7\\u{000A}varstored_vm_readable{uuid=\"x\"} 1\\u{000A}')
        self.assertEqual([shown[i]["name"] for i in (1, 2, 6)], [r"back\\slash\\", r"\\n", pool.uuid_of(6)])

    def test_a_vm_that_the_toolstack_does_not_give_is_counted(self):
        for _ in range(5):
            self.pool.add(pool.CLEAN, "web")
        references = list(self.pool.vms)
        # Two, because samples without a uuid would be there twice.
        self.pool.faults = {references[0]: "failure", references[2]: "failure"}
        samples = self.metrics(1, *self.where)
        self.assertEqual(self.value(samples, "pool_vms", state="failed"), 2)
        self.assertEqual(sum(name == "varstored_vm_readable" for name, _ in samples), 3)

    def test_a_uuid_that_comes_again_is_left_out(self):
        self.pool.add(pool.CLEAN, "web")
        self.pool.add(pool.CLEAN, "twin", uuid=pool.uuid_of(0))
        self.assertEqual(self.value(self.metrics(0, *self.where), "vm_readable"), 1)

    def write(self, exit_code):
        self.assertEqual(self.inspect(exit_code, "--openmetrics", str(self.file), *self.where), "")

    def test_the_file_is_replaced_as_a_whole_and_everybody_may_read_it(self):
        self.pool.add(pool.CLEAN, "web")
        self.addCleanup(os.umask, os.umask(0o077))
        self.write(0)
        self.assertEqual(self.file.stat().st_mode & 0o7777, 0o644)
        with self.file.open(encoding="utf-8") as before:
            old = before.read()
            self.pool.add(pool.CLEAN, "second")
            self.write(0)
            before.seek(0)
            self.assertEqual(before.read(), old)
        self.assertIn('name="second"', self.file.read_text(encoding="utf-8"))
        # A collector takes what ends with .prom.
        self.assertEqual([path.name for path in self.folder.glob("*.prom*")], ["varstored.prom"])
        self.file.unlink()
        self.file.symlink_to("gone/varstored.prom")
        self.write(1)

    def test_after_a_look_at_some_vms_the_file_is_as_it_was(self):
        self.file.write_text("old")
        for _ in range(6):
            self.pool.add(pool.CLEAN, "web")
        self.pool.faults = dict.fromkeys(self.pool.vms, "failure")
        self.write(1)
        self.assertIn("No metrics were written", self.errors)
        self.pool.faults = {}
        process = subprocess.Popen([pool.PROGRAM, "--pool", "--openmetrics", self.file, *self.where], stderr=subprocess.PIPE)

        def interrupt(method):
            if method == "VM.get_record":
                process.send_signal(signal.SIGTERM)

        self.pool.before = interrupt
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 128 + signal.SIGTERM)
        self.assertEqual(self.file.read_text(), "old")
        self.assertEqual(len(list(self.folder.glob("varstored.prom*"))), 1)


class OfAFolder(Metrics):
    def setUp(self):
        super().setUp()
        self.databases, self.live = self.folder / "databases", self.folder / "live"
        self.live.mkdir()
        self.databases.mkdir()
        self.where = ("--live-folder", str(self.live), str(self.databases))

    # Of a running VM, which answers with the bytes of `told`.
    tell = pool.OfAFolder.tell

    def test_one_that_cannot_be_read_says_so(self):
        folder = self.databases / pool.uuid_of(0)
        folder.mkdir()
        (folder / "variables.sqlite").write_bytes(b"no database")
        samples = self.metrics(1, *self.where)
        self.assertEqual(self.value(samples, "vm_readable", uuid=pool.uuid_of(0), name=pool.uuid_of(0)), 0)
        self.assertIsNone(self.value(samples, "vm_store_free_bytes"))

    def test_a_daemon_is_asked_and_makes_no_series_of_its_own(self):
        def text(content):
            return bytes([len(content)]) + content

        rows = [(b"SetVariable", b"Success", 5), (b"SetVariable", b"Not Found", 2), (b"SetVariable", b"Made Up", 1),
                (b'x"} 1', b"Success", 7), (b"SetVariable", b"Success", 1)]
        told = (b"LIVE" + struct.pack("<I", 1) + text(b"v") + text(b"sqlite") +
                struct.pack("<6QI", 2500000, 3, 4, 6, 70000001, 1000000, len(rows)) +
                b"".join(text(call) + text(b"reason") + text(status) + struct.pack("<Q", count) for call, status, count in rows) +
                b"\0")
        (self.databases / pool.uuid_of(0)).mkdir()
        self.tell(0, pool.CLEAN, told)
        samples = self.metrics(0, *self.where)
        answers = {(dict(labels)["call"], dict(labels)["result"]): value
                   for (name, labels), value in samples.items() if name == "varstored_vm_daemon_answers_total"}
        self.assertEqual(len(answers), 12)
        self.assertEqual({key: value for key, value in answers.items() if value},
                         {("SetVariable", "success"): 6, ("SetVariable", "other"): 3, ("other", "success"): 7})
        for name, value in (("uptime_seconds", 2.5), ("unmapped_requests_total", 3), ("ignored_accesses_total", 4),
                            ("backend_requests_total", 6), ("backend_seconds_total", 70.000001), ("backend_longest_seconds", 1),
                            ("backend_waiting_seconds", None)):
            self.assertEqual(self.value(samples, f"vm_daemon_{name}"), value, name)


class OfTheHost(Metrics):
    def setUp(self):
        super().setUp()
        self.inspected = self.inspect(0, "--openmetrics", "-", str(self.folder))
        self.there = set(re.findall(r"^# TYPE (\S+) ", self.inspected, re.M))

    def test_each_rule_is_right_and_fires_when_it_should(self):
        promtool("check", "rules", str(RULES))
        promtool("test", "rules", str(SOURCE / "tests/health/alerts_test.yml"))
        tested = (SOURCE / "tests/health/alerts_test.yml").read_text(encoding="utf-8")
        for alert in re.findall(r"alert: (\w+)", RULES.read_text(encoding="utf-8")):
            self.assertRegex(tested, rf"alertname: {alert}\n *exp_alerts:\n *- ")

    def test_prometheus_understands_the_dashboard(self):
        asked = expressions(json.loads(DASHBOARD.read_text(encoding="utf-8")))
        self.assertGreater(len(asked), 10)
        path = self.folder / "dashboard.yml"
        path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": [
            {"record": f"r{number}", "expr": expression} for number, expression in enumerate(asked)]}]}), encoding="utf-8")
        promtool("check", "rules", str(path))

    def test_rules_and_dashboard_ask_for_what_there_is(self):
        self.assertGreater(len(self.there), 15)
        kinds = set(re.findall(r'^\| <a id="[\w-]+"></a>`([\w-]+)`', (SOURCE / "docs/findings.md").read_text(encoding="utf-8"), re.M))
        self.assertGreater(len(kinds), 20)
        for path in (RULES, DASHBOARD):
            text = path.read_text(encoding="utf-8").replace("varstored-metrics", "")
            self.assertLessEqual(set(NAME.findall(text)), self.there, path)
            for found in re.findall(r'finding=~?\\?"([^"\\]+)', text):
                self.assertLessEqual(set(found.split("|")), kinds, path)

    def test_each_metric_is_documented(self):
        self.assertEqual(set(re.findall(r"^\| `(varstored_\w+)", (SOURCE / "docs/fleet.md").read_text(encoding="utf-8"), re.M)),
                         self.there)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
