"""The plots of docs/performance.md: dark on white, so that they are legible on a dark page, too."""

import statistics

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # pylint: disable=wrong-import-position

GREY = "#595959"
# Those of Okabe and Ito, which colour-blind readers can tell apart, without yellow.
COLOURS = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#000000"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]

plt.rcParams.update({
    "svg.hashsalt": "varstored",  # the same picture is the same file
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "figure.figsize": (7, 3.6),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GREY,
    "grid.alpha": 0.3,
    "axes.titlesize": 11,
    "axes.prop_cycle": matplotlib.cycler(color=COLOURS),
    "legend.frameon": False,
    **{name: GREY for name in ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color",
                               "ytick.color", "axes.titlecolor")},
})


def save(figure, folder, name):
    figure.savefig(folder / f"{name}.svg",
                   metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    plt.close(figure)


def whiskers(samples):
    """The median, and the distances to the quartiles."""
    middle = statistics.median(samples)
    if len(samples) < 4:
        return middle, 0, 0
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return middle, middle - low, high - middle


def lines(results, folder, table, measure, title, xlabel, ylabel):
    """How each grows, on scales where a straight slope of one is proportional."""
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    series = dict.fromkeys((what, backend) for _, what, backend, _ in results.rows(table, measure))
    build = results.builds(table)[0]
    for (what, backend), marker in zip(series, MARKERS):
        points = [(at, whiskers(samples)) for at in results.steps(table)
                  if (samples := results.get(table, build, what, backend, at, measure))]
        axes.errorbar([at for at, _ in points], [value[0] for _, value in points],
                      yerr=[[value[1] for _, value in points], [value[2] for _, value in points]],
                      marker=marker, capsize=3, label=f"{what}, {backend}")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(results.steps(table), [str(step) for step in results.steps(table)],
                    fontsize=8)  # the largest two are near each other
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_title(title)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncol=2)
    save(figure, folder, table)


def bars(folder, name, rows, title, xlabel, mark=None):
    """rows: (label, samples, which colour)."""
    figure, axes = plt.subplots(figsize=(7, 0.9 + 0.32 * len(rows)), layout="constrained")
    for place, (label, samples, colour) in enumerate(rows):
        middle, below, above = whiskers(samples)
        axes.barh(place, middle, xerr=[[below], [above]], color=COLOURS[colour], height=0.7,
                  error_kw={"ecolor": GREY, "capsize": 3})
    if mark is not None:
        axes.axvline(mark, color=GREY, linestyle="--")
    axes.set_yticks(range(len(rows)), [label for label, _, _ in rows])
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.set_title(title)
    axes.set_xlabel(xlabel)
    save(figure, folder, name)


def latency(results, folder):
    """Which part of the writes was done after which time."""
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    found = results.rows("latency", "ms")
    for (build, what, backend, at), marker in zip(found, MARKERS):
        times = results.get("latency", build, what, backend, at, "ms")
        label = f"{backend}, answers in {at} ms" if backend == "xapidb" else f"{what}, {backend}"
        if "without a pause" in what:
            label += ", no pause"
        axes.step(times, [100 * (i + 1) / len(times) for i in range(len(times))], where="post",
                  label=label, marker=marker, markevery=max(1, len(times) // 4))
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_title("How long a write takes")
    axes.set_xlabel("time, ms")
    axes.set_ylabel("writes done by then, %")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncol=2)
    save(figure, folder, "latency")


def draw(results, folder):
    folder.mkdir(exist_ok=True)
    builds = ["dynamic", "static"]
    for table, name, title in (("xen", "xen-requests", "Requests on Xen"),
                               ("requests", "requests", "Requests through the socket")):
        measure = "of null"
        found = results.rows(table, measure)
        # Both builds of a request side by side.
        places = {row[1:]: place for place, row in reversed(list(enumerate(found)))}
        rows = [(f"{what}, {backend}, {build}", results.get(table, build, what, backend, at, measure),
                 builds.index(build))
                for build, what, backend, at in sorted(found, key=lambda row: places[row[1:]])]
        if rows:
            bars(folder, name, rows, title, "requests/s, as a part of the null handler's",
                 1 if table == "requests" else 0.9)
    for name, measure, title, xlabel in (("start-time", "ms", "Time of a start", "exec to ready, ms"),
                                         ("start-memory", "anonymous kB", "Memory after a start", "Anonymous, kB")):
        rows = [(f"{backend}, {build}" + (", on Xen" if table == "xen-start" else ""),
                 results.get(table, build, what, backend, at, measure), builds.index(build))
                for table, only in (("start", 0), ("xen-start", 1))
                for build, what, backend, at in results.rows(table, measure) if at == only]
        bars(folder, name, rows, title, xlabel, 856 if measure == "anonymous kB" else None)
    lines(results, folder, "growth-number", "cpu us", "A request, and how many variables there are",
          "variables", "CPU of a request, µs")
    lines(results, folder, "growth-size", "cpu us", "A request, and how large the variable is",
          "size, bytes", "CPU of a request, µs")
    lines(results, folder, "growth-start", "ms", "A start, and how many variables there are", "variables", "exec to ready, ms")
    rows = [(f"{at} daemons, {build}", results.get("fleet", build, what, backend, at, "pss kB"),
             builds.index(build))
            for build, what, backend, at in results.rows("fleet", "pss kB")]
    bars(folder, "fleet-memory", rows, "Memory of each of many daemons", "Pss, kB")
    latency(results, folder)
