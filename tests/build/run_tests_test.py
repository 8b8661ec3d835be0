#!/usr/bin/env python3
"""What tools/run_tests says of a build of three tests, and of seconds that grew: usage: run_tests_test.py RUN_TESTS"""
import importlib.machinery
import importlib.util
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = pathlib.Path(sys.argv.pop(1)).resolve()
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("run_tests", str(PROGRAM))
run_tests = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_tests", loader))
loader.exec_module(run_tests)

PAGE = """# Testing

## Seconds of the tests

Words.

| kind | small | asan |
| --- | --- | --- |
| slow | 100 | 200 |
| others | 20 | |
"""

PRESETS = {
    "version": 6,
    "configurePresets": [{"name": "small", "generator": "Ninja", "binaryDir": "${sourceDir}/build/small"}],
    "testPresets": [{"name": "small", "configurePreset": "small", "output": {"outputOnFailure": True}}],
}

GOOD = 'add_test(good "sh" "-c" "echo nobody asks")\n'
BAD = 'add_test(bad "sh" "-c" "echo this is wrong; exit 1")\n'
IDLE = """add_test(idle "sh" "-c" "echo SKIP: no moon; exit 77")
set_tests_properties(idle PROPERTIES SKIP_RETURN_CODE 77 LABELS slow)
"""

# What GoogleTest says and writes: a good test, a skipped one, and a last one that has `outcome`.
REPORT = """<testsuites><testsuite name="A"><testcase name="Good" status="run" classname="A"/>
<testcase name="Idle" status="run" classname="A"><skipped message="a.cc:3&#x0A;no moon"/></testcase>
<testcase name="Last" status="run" classname="A">{outcome}</testcase></testsuite></testsuites>"""
SAID = """[ RUN      ] A.Good
[       OK ] A.Good (0 ms)
[ RUN      ] A.Last
[  FAILED  ] A.Last"""
FAILURE = '<failure message="a.cc:4&#x0A;wrong"/>'


def program(end, outcome="", report=REPORT):
    """A program of many tests; `end` is what the shell does last. Without `report` it ends before it writes one."""
    report = report and f"mkdir -p unit_tests; echo '{report.format(outcome=outcome)}' >unit_tests/unit.xml"
    return f"""add_test(unit "sh" "-c" [[echo '{SAID}'
{report}
{end}]] "--gtest_output=xml:unit_tests/unit.xml")
"""


class WholeRun(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = pathlib.Path(folder.name).resolve()
        for name in ("tools", "docs", "build/small"):
            (self.top / name).mkdir(parents=True)
        shutil.copy(PROGRAM, self.top / "tools")
        (self.top / "docs/testing.md").write_text(PAGE, encoding="utf-8")
        (self.top / "CMakePresets.json").write_text(json.dumps(PRESETS), encoding="utf-8")

    def run_with(self, tests):
        (self.top / "build/small/CTestTestfile.cmake").write_text(tests, encoding="utf-8")
        ended = subprocess.run([self.top / "tools/run_tests", "small"], capture_output=True, text=True, check=False)
        return ended.returncode, ended.stdout, (self.top / "build/small/tests.count").read_text(encoding="utf-8")

    def test_good_and_skipped_tests_are_counted_and_the_skipped_say_why(self):
        self.assertEqual(self.run_with(GOOD + IDLE),
                         (0, "small: 1 passed, 0 failed, 1 skipped\n  1 skipped: no moon\n", "1 0 1\n"))

    def test_what_a_failed_test_says_is_shown_and_what_a_good_one_says_is_not(self):
        status, said, count = self.run_with(GOOD + BAD + IDLE)
        self.assertNotEqual(status, 0)
        self.assertEqual(count, "1 1 1\n")
        self.assertIn("this is wrong\n", said)
        self.assertNotIn("nobody asks", said)
        self.assertIn("small: 1 passed, 1 failed, 1 skipped\n", said)

    def test_a_program_that_is_not_there_is_a_failure(self):
        status, _, count = self.run_with('add_test(absent "/absent/program")\n' + GOOD)
        self.assertNotEqual(status, 0)
        self.assertEqual(count, "1 1 0\n")

    def test_the_tests_of_a_program_are_counted_one_by_one(self):
        status, said, count = self.run_with(program("exit 1", FAILURE))
        self.assertNotEqual(status, 0)
        self.assertEqual(count, "1 1 1\n")
        self.assertIn("small: 1 passed, 1 failed, 1 skipped\n  1 skipped: no moon\n", said)
        self.assertIn("[  FAILED  ] A.Last", said)
        self.assertNotIn("A.Good", said)

    def test_a_program_that_fails_behind_its_tests_is_a_failure_too(self):
        status, _, count = self.run_with(program("exit 1"))
        self.assertNotEqual(status, 0)
        self.assertEqual(count, "2 1 1\n")

    def test_what_a_program_told_in_an_earlier_run_is_forgotten(self):
        self.assertEqual(self.run_with(program("exit 0"))[2], "2 0 1\n")
        self.assertEqual(self.run_with(program("exit 1", report=""))[2], "0 1 0\n")

    def test_a_program_that_ends_well_without_a_whole_report_is_a_failure(self):
        for report in ("", REPORT[:60]):
            status, said, count = self.run_with(program("exit 0", report=report) + GOOD)
            self.assertEqual((status, count), (1, "1 1 0\n"), report)
            self.assertIn("unit: it ended with status 0 in the middle of its tests: ", said)

    def test_a_failure_in_a_report_is_one_also_where_the_program_ends_well(self):
        self.assertEqual(self.run_with(program("exit 0", FAILURE))[::2], (1, "1 1 1\n"))

    def test_a_program_that_crashes_is_a_failure(self):
        self.assertEqual(self.run_with(program("kill -SEGV $$", report=""))[2], "0 1 0\n")
        self.assertEqual(self.run_with(program("kill -ABRT $$"))[2], "2 1 1\n")

    def test_a_test_that_takes_too_long_is_a_failure(self):
        slow = 'add_test(slow "sleep" "60")\nset_tests_properties(slow PROPERTIES TIMEOUT 1)\n'
        self.assertEqual(self.run_with(slow + GOOD)[2], "1 1 0\n")


class TheMovingLine(unittest.TestCase):
    def test_it_names_what_runs_the_longest_first(self):
        progress = run_tests.Progress()
        self.assertFalse(progress.read("        Start   1: xen.first", 10.0))
        progress.read("        Start   2: wire.second", 12.0)
        progress.read("        Start   3: wire.third", 13.0)
        self.assertFalse(progress.read("   1/3000 Test    #2: wire.second ......   Passed    1.00 sec", 13.0))
        self.assertEqual(progress.text(40.0), "1/3000; runs: xen.first 30 s, wire.third 27 s")
        self.assertTrue(progress.read("   2/3000 Test    #3: wire.third ......***Failed    1.00 sec", 41.0))
        self.assertEqual(progress.text(41.0), "2/3000, 1 failed; runs: xen.first 31 s")


class TheBudget(unittest.TestCase):
    def test_it_is_read_from_the_page_by_preset(self):
        self.assertEqual(run_tests.budget(PAGE, "small"), {"slow": 100, "others": 20})
        self.assertEqual(run_tests.budget(PAGE, "asan"), {"slow": 200})
        self.assertEqual(run_tests.budget(PAGE, "clang"), {})

    def test_a_page_without_the_table_is_an_error(self):
        with self.assertRaises(ValueError):
            run_tests.budget("# Testing\n", "small")

    def test_what_grew_by_more_than_half_is_named_the_worst_first(self):
        allowed = {"slow": 100, "others": 20}
        self.assertEqual(run_tests.grown({"slow": 150, "others": 30}, allowed), [])
        self.assertEqual(run_tests.grown({"slow": 151, "others": 40}, allowed),
                         ["others: 40 s, where docs/testing.md has 20 s", "slow: 151 s, where docs/testing.md has 100 s"])

    def test_a_kind_without_a_row_is_named_unless_it_costs_nothing(self):
        self.assertEqual(run_tests.grown({"new": 9}, {}), [])
        self.assertEqual(run_tests.grown({"new": 90}, {}), ["new: 90 s, where docs/testing.md has 0 s"])

    def test_a_test_counts_for_each_of_its_labels_or_for_the_others(self):
        tests = [("a", 1.0, "passed"), ("b", 2.0, "failed"), ("c", 4.0, "passed")]
        self.assertEqual(run_tests.seconds_by_label(tests, {"a": ["xen", "maintain"], "b": ["xen"]}),
                         {"xen": 3.0, "maintain": 1.0, "others": 4.0})


if __name__ == "__main__":
    unittest.main()
