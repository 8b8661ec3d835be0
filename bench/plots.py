"""The plots of docs/performance.md. Their colours are legible on white and on black."""

import statistics

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # pylint: disable=wrong-import-position

GREY = "#808080"
# Blue, orange, green, red, purple: of one lightness, so that none vanishes in front of a page.
COLOURS = ["#3b82c4", "#d9822b", "#3a9a5c", "#cc5a5a", "#9467bd"]
MARKERS = ["o", "s", "^", "D", "v"]

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
    "axes.prop_cycle": matplotlib.cycler(color=COLOURS),
    "legend.frameon": False,
    **{name: GREY for name in ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color",
                               "ytick.color", "axes.titlecolor")},
})


def save(figure, folder, name):
    figure.tight_layout()
    figure.savefig(folder / f"{name}.svg", transparent=True,
                   metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    plt.close(figure)


def whiskers(samples):
    """The median, and the distances to the quartiles."""
    middle = statistics.median(samples)
    if len(samples) < 4:
        return middle, 0, 0
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return middle, middle - low, high - middle


def lines(results, folder, name, table, measure, xlabel, ylabel):
    """How each grows, on scales where a straight slope of one is proportional."""
    figure, axes = plt.subplots()
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
    axes.set_xticks(results.steps(table), [str(step) for step in results.steps(table)])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, folder, name)


def bars(folder, name, rows, xlabel, mark=None):
    """rows: (label, samples, which colour)."""
    figure, axes = plt.subplots(figsize=(7, 0.6 + 0.32 * len(rows)))
    for place, (label, samples, colour) in enumerate(rows):
        middle, below, above = whiskers(samples)
        axes.barh(place, middle, xerr=[[below], [above]], color=COLOURS[colour], height=0.7,
                  error_kw={"ecolor": GREY, "capsize": 3})
    if mark is not None:
        axes.axvline(mark, color=GREY, linestyle="--")
    axes.set_yticks(range(len(rows)), [label for label, _, _ in rows])
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.set_xlabel(xlabel)
    save(figure, folder, name)


def latency(results, folder):
    """Which part of the writes was done after which time."""
    figure, axes = plt.subplots()
    for build, what, backend, at in results.rows("latency", "ms"):
        times = results.get("latency", build, what, backend, at, "ms")
        label = f"{backend}, answers in {at} ms" if backend == "xapidb" else f"{what}, {backend}"
        if "without a pause" in what:
            label += ", no pause"
        axes.step(times, [100 * (i + 1) / len(times) for i in range(len(times))], where="post",
                  label=label)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("ms")
    axes.set_ylabel("of 100 writes")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, folder, "latency")


def draw(results, folder):
    folder.mkdir(exist_ok=True)
    builds = ["dynamic", "static"]
    for table, name, measure in (("xen", "xen-requests", "of null"),
                                 ("requests", "requests", "of null")):
        found = results.rows(table, measure)
        # Both builds of a request side by side.
        places = {row[1:]: place for place, row in reversed(list(enumerate(found)))}
        rows = [(f"{what}, {backend}, {build}", results.get(table, build, what, backend, at, measure),
                 builds.index(build))
                for build, what, backend, at in sorted(found, key=lambda row: places[row[1:]])]
        if rows:
            bars(folder, name, rows, "of the rate that the null handler has",
                 1 if table == "requests" else 0.9)
    for name, measure, xlabel in (("start-time", "ms", "exec to ready, ms"),
                                  ("start-memory", "anonymous kB", "Anonymous, kB")):
        rows = [(f"{backend}, {build}" + (", on Xen" if table == "xen-start" else ""),
                 results.get(table, build, what, backend, at, measure), builds.index(build))
                for table, only in (("start", 0), ("xen-start", 1))
                for build, what, backend, at in results.rows(table, measure) if at == only]
        bars(folder, name, rows, xlabel, 856 if measure == "anonymous kB" else None)
    lines(results, folder, "growth-number", "growth-number", "cpu us",
          "variables", "CPU µs of a request")
    lines(results, folder, "growth-size", "growth-size", "cpu us", "bytes", "CPU µs of a request")
    lines(results, folder, "growth-start", "growth-start", "ms", "variables", "ms")
    rows = [(f"{at}, {build}", results.get("fleet", build, what, backend, at, "pss kB"),
             builds.index(build))
            for build, what, backend, at in results.rows("fleet", "pss kB")]
    bars(folder, "fleet-memory", rows, "Pss of each daemon, kB")
    latency(results, folder)
