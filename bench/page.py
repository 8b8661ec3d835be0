#!/usr/bin/env python3
"""Makes the tables and plots of docs/performance.md of what was measured.

    page.py RESULTS PAGE [--plots FOLDER]     writes them
    page.py RESULTS PAGE --check              says whether the page has all of RESULTS's tables

In the page a table stands between <!-- begin NAME --> and <!-- end NAME -->, and everything else is
written by hand. RESULTS has lines of columns with a tab between:

    fact NAME TEXT                                           about the machine and the program
    TABLE BUILD WHAT BACKEND AT MEASURE SAMPLE...            one sample for each round
    profile BUILD WHAT BACKEND PLACE INSTRUCTIONS            of one request, or of one start
"""

import argparse
import collections
import pathlib
import re
import statistics
import sys

TEXT = " --- |"
MARKED = re.compile(r"(<!-- begin ([\w-]+) -->\n)(.*?)(<!-- end \2 -->)", re.S)


class Results:
    def __init__(self, text):
        self.facts = {}
        self.samples = {}
        self.profiles = collections.defaultdict(list)
        for line in text.splitlines():
            table, *fields = line.split("\t")
            if table == "fact":
                self.facts[fields[0]] = fields[1]
            elif table == "profile":
                build, what, backend, place, instructions = fields
                self.profiles[build, what, backend].append((place, float(instructions)))
            else:
                build, what, backend, at, measure, samples = fields
                key = table, build, what, backend, int(at), measure
                self.samples[key] = sorted(map(float, samples.split()))

    def get(self, *key):
        return self.samples.get(key)

    def rows(self, table, measure):
        """(build, what, backend, at) of each row, in the order in which they were measured."""
        return [key[1:5] for key in self.samples if key[0] == table and key[5] == measure]

    def builds(self, table):
        return list(dict.fromkeys(key[1] for key in self.samples if key[0] == table))

    def steps(self, table):
        return sorted({key[4] for key in self.samples if key[0] == table})

    def calls(self, *subject):
        """(name, how often) of the system calls of a request, the most frequent first."""
        found = [(key[5].removeprefix("call "), samples[0]) for key, samples in self.samples.items()
                 if key[:5] == subject and key[5].startswith("call ")]
        return sorted(found, key=lambda call: (-call[1], call[0]))


def number(value):
    """With three digits that count, and never in powers of ten."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(samples):
    """The median, and what half of the samples lie between."""
    if samples is None:
        return "-"
    if len(samples) < 4:
        return number(statistics.median(samples))
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive")
    return f"{number(middle)} ({number(low)} to {number(high)})"


def median(samples):
    return "-" if samples is None else number(statistics.median(samples))


def mean(samples):
    return "-" if samples is None else number(statistics.mean(samples))


def quantile(samples, part):
    return number(samples[min(len(samples) - 1, int(part * len(samples)))])


def table(head, rows, others=" --: |"):
    """The first column is text; the others are numbers, or text as well."""
    lines = ["| " + " | ".join(head) + " |", "| --- |" + others * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def subject_text(what, backend):
    return what if backend == "null" else f"{what}, `{backend}`"


def names(calls):
    return ", ".join(f"`{name}`" if 0.95 < each < 1.05 else f"{number(each)} `{name}`"
                     for name, each in calls)


# ---- the tables, by name ----

def machine(results):
    return table(["this run", ""], [[name, text] for name, text in results.facts.items()], TEXT)


def xen_requests(results):
    rows = []
    for build, what, backend, at in results.rows("xen", "requests/s"):
        key = ("xen", build, what, backend, at)
        calls = sum(each for _, each in results.calls(*key))
        rows.append([subject_text(what, backend), "" if backend == "null" else build,
                     spread(results.get(*key, "requests/s")), spread(results.get(*key, "of null")),
                     number(calls), median(results.get(*key, "hypercalls")),
                     median(results.get(*key, "hypercalls of dom0"))])
    return table(["request", "build", "round trips/s", "of the null handler's", "system calls",
                  "hypercalls", "all of dom0"], rows)


def xen_calls(results):
    rows = []
    for build, what, backend, at in results.rows("xen", "requests/s"):
        if build == "dynamic":
            rows.append([subject_text(what, backend),
                         names(results.calls("xen", build, what, backend, at))])
    return table(["request", "system calls of one"], rows, TEXT)


def xen_starts(results):
    rows = []
    for build, what, backend, at in results.rows("xen-start", "anonymous kB"):
        key = ("xen-start", build, what, backend, at)
        number_of = "one" if at == 1 else f"each of {at}"
        rows.append([f"{number_of}, `{backend}`", build, spread(results.get(*key, "ms")),
                     spread(results.get(*key, "anonymous kB")),
                     spread(results.get(*key, "pss kB"))])
    return table(["daemons", "build", "exec to ready, ms", "Anonymous, kB", "Pss, kB"], rows)


def requests(results):
    rows = []
    for build, what, backend, at in results.rows("requests", "requests/s"):
        if build != "dynamic":
            continue
        key = (what, backend, at)
        dynamic, static = ("requests", "dynamic", *key), ("requests", "static", *key)
        rows.append([subject_text(what, backend), spread(results.get(*dynamic, "requests/s")),
                     spread(results.get(*dynamic, "of null")),
                     spread(results.get(*dynamic, "cpu us")),
                     median(results.get(*dynamic, "instructions")),
                     median(results.get(*static, "instructions")),
                     number(sum(each for _, each in results.calls(*dynamic)))
                     if results.calls(*dynamic) else "-"])
    return table(["request", "requests/s", "of the null server's", "CPU µs", "instructions",
                  "of the static one", "system calls"], rows)


def request_calls(results):
    rows = []
    for build, what, backend, at in results.rows("requests", "of null"):
        calls = results.calls("requests", build, what, backend, at)
        if build == "dynamic" and calls and names(calls) not in (row[1] for row in rows):
            rows.append([subject_text(what, backend), names(calls)])
    return table(["request", "system calls of one, through the socket"], rows, TEXT)


def growth(name, measure):
    def make(results):
        steps = results.steps(name)
        series = list(dict.fromkeys((what, backend)
                                    for _, what, backend, _ in results.rows(name, measure)))
        build = results.builds(name)[0]
        return table(["", *map(str, steps)],
                     [[subject_text(what, backend)]
                      + [spread(results.get(name, build, what, backend, step, measure))
                         for step in steps] for what, backend in series])
    return make


def starts(results):
    rows = []
    for build, what, backend, at in results.rows("start", "ms"):
        key = ("start", build, what, backend, at)
        rows.append([f"`{backend}`", build, spread(results.get(*key, "ms")),
                     median(results.get(*key, "instructions")),
                     median(results.get(*key, "calls")),
                     spread(results.get(*key, "anonymous kB")),
                     spread(results.get(*key, "pss kB")),
                     spread(results.get(*key, "anonymous kB after large writes"))])
    return table(["backend", "build", "exec to ready, ms", "instructions, start and end",
                  "system calls, likewise", "Anonymous, kB", "Pss, kB",
                  "Anonymous after writes of 57344 bytes"], rows)


def fleet(results):
    rows = []
    for build, what, backend, at in results.rows("fleet", "pss kB"):
        key = ("fleet", build, what, backend, at)
        rows.append([str(at), build, spread(results.get(*key, "ms")),
                     mean(results.get(*key, "anonymous kB")), mean(results.get(*key, "pss kB")),
                     median(results.get(*key, "writes/s")),
                     median(results.get(*key, "write ms p50")),
                     median(results.get(*key, "write ms p99")),
                     median(results.get(*key, "write ms max"))])
    return table(["daemons", "build", "exec to ready, ms", "Anonymous, kB each", "Pss, kB each",
                  "writes/s of all", "a write, ms: median", "99 of 100", "slowest"], rows)


def pool(results):
    rows = []
    for build, what, backend, at in results.rows("pool", "cpu ms"):
        key = ("pool", build, what, backend, at)
        rows.append([what, str(at), build, spread(results.get(*key, "cpu ms")),
                     spread(results.get(*key, "largest kB"))])
    return table(["program", "VMs", "build", "processor time, ms", "largest process, kB"], rows)


def latency_name(what, backend, at):
    return f"{what}, `xapidb`, answers in {at} ms" if backend == "xapidb" else \
        subject_text(what, backend)


def latency(results):
    rows = []
    for build, what, backend, at in results.rows("latency", "ms"):
        times = results.get("latency", build, what, backend, at, "ms")
        rows.append([latency_name(what, backend, at), str(len(times)),
                     *(quantile(times, part) for part in (0, 0.5, 0.9, 0.99, 1)),
                     median(results.get("latency", build, what, backend, at, "calls"))])
    return table(["a write", "how many", "fastest", "median, ms", "90 of 100", "99 of 100",
                  "slowest", "calls each"], rows)


def profile(what, backend):
    def make(results):
        text = []
        for build in ("dynamic", "static"):
            lines = results.profiles.get((build, what, backend))
            if lines:
                whole = sum(instructions for _, instructions in lines)
                text.append(table(
                    [f"{build}, where", "instructions", "of all"],
                    [[place, number(instructions), f"{100 * instructions / whole:.0f} %"]
                     for place, instructions in lines]))
        return "\n".join(text) or "Not measured: there is no callgrind.\n"
    return make


def goals(results):
    def value(*key):
        samples = results.get(*key)
        return None if samples is None else statistics.median(samples)

    def row(goal, parts, is_met):
        """parts: (what of, value, unit)"""
        known = [(text, figure, unit) for text, figure, unit in parts if figure is not None]
        shown = "; ".join(f"{number(figure)}{unit} {text}".strip() for text, figure, unit in known)
        verdicts = [is_met(figure) for _, figure, _ in known]
        verdict = ("-" if not known else "met" if all(verdicts) else
                   "missed" if not any(verdicts) else "met by " + ", ".join(
                       text for (text, _, _), good in zip(known, verdicts) if good))
        return [goal, shown or "not measured", verdict]

    get = "GetVariable, 100 bytes"
    both = [(build, backend) for build in ("dynamic", "static") for backend in ("memory", "sqlite")]
    steps = results.steps("growth-number")
    grown = results.builds("growth-number")[0]

    def ratio(what, backend):
        few, many = (value("growth-number", grown, what, backend, step, "instructions")
                     for step in (steps[0], steps[-1]))
        return many / few if few and many else None

    return table(["goal", "here", ""], [
        row("GetVariable at 0.9 of the null handler's rate on Xen, or more",
            [(build, value("xen", build, get, "memory", 0, "of null"), "")
             for build in ("dynamic", "static")], lambda figure: figure >= 0.9),
        row("less than 856 kB of `Anonymous` at the start, on Xen",
            [(f"{build} `{backend}`", value("xen-start", build, "start", backend, 1,
                                            "anonymous kB"), "") for build, backend in both],
            lambda figure: figure < 856),
        row("ready within 100 ms on the testbed",
            [(f"{build} `{backend}`", value("xen-start", build, "start", backend, 1, "ms"), " ms")
             for build, backend in both], lambda figure: figure <= 100),
        row("an empty start through the socket is ready in 10 ms",
            [(f"{build} `{backend}`", value("start", build, "start", backend, 0, "ms"), " ms")
             for build, backend in both], lambda figure: figure <= 10),
        row(f"GetVariable does not grow with the number of variables ({steps[0]} to {steps[-1]})",
            [("times the instructions", ratio("GetVariable", "memory"), "")],
            lambda figure: figure < 1.1),
        row("a walk is O(n): a step does not grow",
            [("times the instructions", ratio("GetNextVariableName", "memory"), "")],
            lambda figure: figure < 1.1),
        row("a write is one call of the toolstack's",
            [("", value("latency", grown, "SetVariable", "xapidb", results.steps("latency")[-1],
                        "calls"), "")], lambda figure: figure == 1),
    ], TEXT)


TABLES = {
    "machine": machine,
    "goals": goals,
    "xen-requests": xen_requests,
    "xen-calls": xen_calls,
    "xen-starts": xen_starts,
    "requests": requests,
    "request-calls": request_calls,
    "growth-number": growth("growth-number", "instructions"),
    "growth-number-time": growth("growth-number", "cpu us"),
    "growth-size": growth("growth-size", "instructions"),
    "growth-size-time": growth("growth-size", "cpu us"),
    "growth-start": growth("growth-start", "ms"),
    "start": starts,
    "fleet": fleet,
    "latency": latency,
    "pool": pool,
    "profile-get": profile("GetVariable, 100 bytes", "memory"),
    "profile-write": profile("SetVariable, 100 bytes", "sqlite"),
    "profile-start": profile("start", "sqlite"),
}


def filled(page, results):
    """The page with all tables anew."""
    found = [match[1] for match in MARKED.findall(page)]
    if sorted(found) != sorted(TABLES):
        raise ValueError(f"the page lacks or repeats a table, or has one that nobody makes: "
                         f"{sorted(set(TABLES) ^ set(found)) or found}")
    return MARKED.sub(lambda match: match[1] + "\n" + TABLES[match[2]](results) + "\n" + match[4],
                      page)


def main():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("--plots", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    results = Results(options.results.read_text(encoding="utf-8"))
    before = options.page.read_text(encoding="utf-8")
    after = filled(before, results)
    if options.check:
        if after != before:
            sys.exit(f"{options.page} is not what {options.results} says: bench/run --redraw")
        return
    options.page.write_text(after, encoding="utf-8")
    if options.plots:
        import plots  # pylint: disable=import-outside-toplevel  # a check has no need of it
        plots.draw(results, options.plots)


if __name__ == "__main__":
    main()
