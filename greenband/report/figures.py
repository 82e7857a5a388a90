"""The report's figures, for plotly.

Colours are Okabe and Ito's, which the colour-blind tell apart; subjects also differ by pattern, dash or marker. Names
are escaped, as plotly takes text for markup.
"""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence

import plotly.graph_objects as go

from greenband.evaluation import Result
from greenband.report.bands import Stretch
from greenband.report.sample import SLICE_S, Passage, Sample
from greenband.report.texts import TEXTS, Language, metric_label

__all__ = ["COLOURS", "by_demand", "by_junction", "speed_by_time", "time_space"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREEN, RED, BAND, VEHICLE = "#009E73", "#1b1b1b", "#F0E442", "#0072B2"
PATTERNS = ("", "/", "x", ".", "+", "\\", "-")
MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")
DASHES = ("solid", "dash", "dot", "dashdot")
TICK_S = 60
LINE = 75  # letters side by side below a printed figure
STANDOFF = 4  # px between an axis and its labels, so that 0 below and 0 beside do not touch
Junctions = Sequence[tuple[str, str]]  # signal and what it is called


def time_space(
    passage: Passage, bands: Sequence[Stretch], names: Sequence[str], window: tuple[int, int], language: Language
) -> go.Figure:
    """Time across, the road upwards in the artery's order; ``window`` in s after midnight."""
    figure = _figure(480 + 12 * len(names))
    lines = passage.course.stop_lines_m
    forth = lines[-1] >= lines[0]
    places = [line if forth else lines[0] - line for line in lines]  # both ways with the same end up
    begin, end = window
    for stretch in bands:
        for number, shape in enumerate(_stripes(stretch, places, begin, end)):
            xs, ys = zip(*shape, strict=True)
            figure.add_scatter(
                x=[round(x, 1) for x in xs],
                y=[round(y) for y in ys],
                mode="lines",
                line={"width": 0.8, "color": "#8a7f00"},
                fill="toself",
                fillcolor="rgba(240,228,66,0.45)",
                name=TEXTS["band"][_at(language)],
                legendgroup="band",
                showlegend=number == 0 and stretch is bands[0],
                hoverinfo="skip",
            )
    times, at = _broken(
        [
            [
                (t, place if forth else lines[0] - place)
                for t, place in zip(track.times_s, track.places_m, strict=True)
                if begin <= t <= end
            ]
            for track in passage.tracks
        ]
    )
    figure.add_scatter(
        x=times,
        y=at,
        mode="lines",
        line={"width": 1, "color": VEHICLE},
        opacity=0.7,
        name=TEXTS["vehicle"][_at(language)],
        hoverinfo="skip",
    )
    _lamps(figure, passage, places, window, language)
    ticks = list(range(begin - begin % TICK_S, end + 1, TICK_S))
    figure.update_xaxes(
        title=TEXTS["time"][_at(language)],
        range=[begin, min(end, begin + 600)],
        tickvals=ticks,
        ticktext=[_clock(tick) for tick in ticks],
        tickfont={"size": 11},
        ticklabelstandoff=STANDOFF,
        minallowed=begin,
        maxallowed=end,
    )
    margin = 0.06 * (max(places) - min(places))
    figure.update_yaxes(
        title=TEXTS["distance"][_at(language)],
        tickvals=[round(place) for place in places],
        ticktext=[f"{html.escape(name)}, {place:.0f}" for name, place in zip(names, places, strict=True)],
        range=[min(places) - margin, max(places) + margin],
        automargin=True,
        fixedrange=True,
    )
    return figure


def _lamps(
    figure: go.Figure, passage: Passage, places: Sequence[float], window: tuple[int, int], language: Language
) -> None:
    begin, end = window
    reds, greens = [], []
    for place, spans in zip(places, passage.greens, strict=True):
        reds.append([(begin, place), (end, place)])
        greens += [
            [(max(span.begin_s, begin), place), (min(span.end_s, end), place)]
            for span in spans
            if span.end_s > begin and span.begin_s < end
        ]
    for name, rows, colour, width in (("red", reds, RED, 1.5), ("green", greens, GREEN, 7)):
        times, at = _broken(rows)
        figure.add_scatter(
            x=times,
            y=at,
            mode="lines",
            line={"width": width, "color": colour},
            name=TEXTS[name][_at(language)],
            hoverinfo="skip",
        )


def _stripes(
    stretch: Stretch, places: Sequence[float], begin_s: int, end_s: int
) -> Iterator[list[tuple[float, float]]]:
    """Outline of the band in each cycle of a window."""
    at = places[stretch.first : stretch.last + 1]
    low, high = min(stretch.begins_s), max(stretch.begins_s) + stretch.width_s
    for k in range(math.ceil((begin_s - high) / stretch.cycle_s), math.floor((end_s - low) / stretch.cycle_s) + 1):
        fronts = [begin + k * stretch.cycle_s for begin in stretch.begins_s]
        there = list(zip(fronts, at, strict=True))
        back = [(front + stretch.width_s, place) for front, place in there]
        yield [*there, *reversed(back), there[0]]


def by_junction(
    result: Result, metric: str, junctions: Junctions, axis: str, digits: int, language: Language
) -> go.Figure:
    """A figure of every junction, a bar per subject."""
    figure = _figure(400)
    for number, subject in enumerate(result.subjects):
        values = {place.id: place.means.get(metric, math.nan) for place in subject.at("junction")}
        figure.add_bar(
            x=[_folded(name, LINE // len(junctions)) for _, name in junctions],
            y=[_number(values.get(signal, math.nan), digits) for signal, _ in junctions],
            name=html.escape(subject.name),
            marker={
                "color": _of(COLOURS, number),
                "pattern": {"shape": _of(PATTERNS, number), "fgcolor": "#ffffff", "size": 6},
            },
        )
    figure.update_layout(barmode="group", bargap=max(0.25, 1 - 0.15 * len(junctions)))  # one junction is no wall
    figure.update_yaxes(title=TEXTS[axis][_at(language)], rangemode="tozero")
    figure.update_xaxes(automargin=True, tickfont={"size": 11})
    return figure


def speed_by_time(samples: Sequence[Sample], colours: Mapping[str, int], begin_s: int, language: Language) -> go.Figure:
    """Speeds by time of departure, a line per subject and direction."""
    figure = _figure(380)
    for sample in samples:
        for number, (name, values) in enumerate(sample.speeds_kmh.items()):
            place = colours[sample.subject]
            figure.add_scatter(
                x=[begin_s + SLICE_S * k + SLICE_S / 2 for k in range(len(values))],
                y=[_number(value, 1) for value in values],
                mode="lines+markers",
                name=html.escape(f"{sample.subject}, {metric_label(name)[_at(language)]}"),
                line={"color": _of(COLOURS, place), "dash": _of(DASHES, number), "width": 2},
                marker={"symbol": _of(MARKERS, place), "size": 8},
            )
    count = max((len(values) for sample in samples for values in sample.speeds_kmh.values()), default=0)
    step = SLICE_S * max(1, math.ceil(count / 12))
    ticks = list(range(begin_s, begin_s + SLICE_S * count + 1, step))
    figure.update_xaxes(
        title=TEXTS["time"][_at(language)],
        tickvals=ticks,
        ticktext=[_clock(tick) for tick in ticks],
        ticklabelstandoff=STANDOFF,
    )
    figure.update_yaxes(title=TEXTS["speed_axis"][_at(language)], rangemode="tozero")
    return figure


def by_demand(results: Sequence[Result], language: Language) -> go.Figure:
    """Mean delay with its interval by the factor on all flows, a line per subject."""
    figure = _figure(380)
    names = list(dict.fromkeys(subject.name for result in results for subject in result.subjects))
    for number, name in enumerate(names):
        rows = [(r.demand, s) for r in results for s in r.subjects if s.name == name]
        means = [s.mean("delay_s") for _, s in rows]
        spans = [s.ci95("delay_s") or (mean, mean) for (_, s), mean in zip(rows, means, strict=True)]
        figure.add_scatter(
            x=[demand for demand, _ in rows],
            y=[_number(mean, 2) for mean in means],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [_number(high - mean, 2) for (_, high), mean in zip(spans, means, strict=True)],
                "arrayminus": [_number(mean - low, 2) for (low, _), mean in zip(spans, means, strict=True)],
            },
            mode="lines+markers",
            name=html.escape(name),
            line={"color": _of(COLOURS, number), "dash": _of(DASHES, number), "width": 2},
            marker={"symbol": _of(MARKERS, number), "size": 9},
        )
    figure.update_xaxes(title=TEXTS["demand_axis"][_at(language)], tickvals=[result.demand for result in results])
    figure.update_yaxes(title=TEXTS["mean_delay_axis"][_at(language)], rangemode="tozero")
    return figure


def _figure(height: int) -> go.Figure:
    return go.Figure(
        layout={
            "template": "plotly_white",
            "height": height,
            "margin": {"l": 60, "r": 16, "t": 40, "b": 50},
            "font": {"size": 13, "color": "#1b1b1b"},
            "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
            "hovermode": "closest",
        }
    )


def _broken(rows: Sequence[Sequence[tuple[float, float]]]) -> tuple[list[float | None], list[float | None]]:
    """Lines one after the other with gaps between them, as one trace."""
    times: list[float | None] = []
    places: list[float | None] = []
    for row in rows:
        if len(row) > 1:
            times += [*(round(t, 1) for t, _ in row), None]
            places += [*(round(place, 1) for _, place in row), None]
    return times, places


def _folded(name: str, width: int) -> str:
    """A name on several lines, cut between words."""
    return "<br>".join(html.escape(line) for line in textwrap.wrap(name, max(width, 8), break_long_words=False))


def _of(options: Sequence[str], number: int) -> str:
    return options[number % len(options)]


def _number(value: float, digits: int) -> float | None:
    return round(value, digits) if math.isfinite(value) else None


def _at(language: Language) -> int:
    return 0 if language == "en" else 1


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600 % 24:02d}:{whole // 60 % 60:02d}"
