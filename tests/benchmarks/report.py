"""The benchmark's figures as a Markdown table and as a chart."""

from statistics import median

# Okabe and Ito's colours, which colour-blind people can tell apart.
COLOURS = ("#0072B2", "#E69F00", "#D55E00", "#CC79A7", "#009E73")


def spread(values, unit="") -> str:
    """Median and range: '3.1 (3.0 to 3.4)'."""
    middle, low, high = (f"{v:.3g}" for v in (median(values), min(values), max(values)))
    return f"{middle}{unit} ({low} to {high})"


def ratio(ours, theirs) -> str:
    """How many times faster we are, turn by turn: median and range."""
    return spread([their / our for our, their in zip(ours, theirs, strict=True)], " ×")


def timing_table(results) -> str:
    """One row for each task and contestant."""
    lines = [
        "| task | contestant | seconds: median (range) | ours is faster by | images a second "
        "| test accuracy |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for task, rows in results.items():
        ours = rows["course"]["seconds"]
        for name, row in rows.items():
            factor = "" if name == "course" else ratio(ours, row["seconds"])
            accuracy = row.get("accuracy")
            text = "" if accuracy is None else f"{accuracy:.4f}"
            if row.get("disqualified"):
                text += " disqualified"
            speed = row.get("images_a_second")
            cells = (task, name, spread(row["seconds"]), factor)
            lines.append(
                f"| {' | '.join(cells)} | {f'{median(speed):.0f}' if speed else ''} | {text} |"
            )
    return "\n".join(lines)


def about_table(about) -> str:
    """What ran where."""
    lines = ["| | |", "| --- | --- |"]
    for name, facts in about.items():
        text = ", ".join(
            f"{key} {value:.0f}" if isinstance(value, float) else f"{key} {value}"
            for key, value in facts.items()
        )
        lines.append(f"| {name} | {text} |")
    return "\n".join(lines)


def whole(results, band, begin, memory, about) -> str:
    """The report: timings, starts, memory, machine."""
    bands = ", ".join(f"{network} {width}" for network, width in band.items())
    lines = [timing_table(results), ""]
    lines.append(
        f"Disqualified: whose accuracy lies further from the contestants' median than: {bands}."
    )
    lines.append(
        "Contestants keep freed memory (glibc's MALLOC_TRIM_THRESHOLD_): PyTorch gains by it."
    )
    lines.append("")
    for task, rows in begin.items():
        for label, seconds in rows.items():
            lines.append(f"- {task}, {label}: {spread(seconds, ' s')}")
    lines += [f"- peak memory of the whole tutorial: {memory:.0f} MB", "", about_table(about)]
    return "\n".join(lines)


def chart(results, path) -> None:
    """Bars of the medians with their ranges, one panel a task."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 1.75 * len(results)), layout="constrained")
    panels = figure.subplots(len(results), 1, squeeze=False)[:, 0]
    for axes, (task, rows) in zip(panels, results.items(), strict=True):
        for k, (name, row) in enumerate(rows.items()):
            middle = median(row["seconds"])
            error = [[middle - min(row["seconds"])], [max(row["seconds"]) - middle]]
            colour = COLOURS[1] if name == "course" else COLOURS[0]
            axes.barh(k, middle, xerr=error, color=colour, capsize=3)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.invert_yaxis()
        axes.set_title(task, fontsize=10)
        # One slow turn must not press all the others to the left.
        axes.set_xlim(0, 1.6 * max(median(row["seconds"]) for row in rows.values()))
        axes.tick_params(labelsize=9)
    panels[-1].set_xlabel("seconds: median and range (less is better)")
    figure.savefig(path, dpi=110)


def batch_chart(batches, sizes, path) -> None:
    """Lines of LeNet's training speed by batch size, one for each contestant."""
    lines = {
        name: (list(sizes), [median(rows[name]["images_a_second"]) for rows in batches.values()])
        for name in next(iter(batches.values()))
    }
    lines_chart([("LeNet's training", "images in a batch", "images a second", lines)], path)


def lines_chart(panels, path) -> None:
    """Panels (title, x label, y label, {name: (xs, ys)}) of lines with points."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(panels), 3.6), layout="constrained")
    for axes, (title, x_label, y_label, lines) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        for k, (name, (xs, ys)) in enumerate(lines.items()):
            axes.plot(xs, ys, "os^D"[k % 4] + "-", color=COLOURS[k % len(COLOURS)], label=name)
        axes.set(title=title, xlabel=x_label, ylabel=y_label, ylim=(0, None))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(fontsize=8, loc="lower right")
    figure.savefig(path, dpi=110)
