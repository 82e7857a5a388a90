"""What a case says in the report, ready for the template: texts in both languages, printed numbers, figures to draw."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from markupsafe import Markup
from plotly.graph_objects import Figure

from greenband.evaluation import Result, SubjectResult
from greenband.evaluation.texts import best
from greenband.junction_metrics import level_of_service
from greenband.metrics import METRICS, find_metric
from greenband.plan.artery import SPEED_FACTOR, Artery, find_artery
from greenband.report import figures
from greenband.report.bands import common_cycle_s, stretches
from greenband.report.cases import Case
from greenband.report.sample import SLICE_S, Passage, Sample
from greenband.report.stages import StageTime, describe, draw, movement_label, stage_times
from greenband.report.texts import Language, Text, metric_label, say, unit, verbatim
from greenband.scenario import Scenario

__all__ = ["Chapter", "View", "number"]

WINDOW_S = 900
MINUS = "−"
Build = Callable[[Language], Figure]


@dataclass(frozen=True)
class Chapter:
    """A case with what is known of it besides figures; ``notes`` say what had to be left out."""

    case: Case
    scenario: Scenario | None = None
    samples: Mapping[str, Sample] = field(default_factory=dict)
    notes: Sequence[Text] = ()


def number(value: float, digits: int = 1, signed: bool = False) -> str:
    """A figure as it is printed; a dash where there is none."""
    if not math.isfinite(value):
        return "–"
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", MINUS)


class View:
    """One case as the template asks for it."""

    def __init__(self, chapter: Chapter, id: str) -> None:
        self.id, self.case, self.scenario = id, chapter.case, chapter.scenario
        self.result, self.notes = chapter.case.base, list(chapter.notes)
        self.samples = [chapter.samples[s.name] for s in self.case.compared if s.name in chapter.samples]
        self._place = {subject.name: k for k, subject in enumerate(self.result.subjects)}
        self.figures: dict[str, Build] = {}
        self.diagrams = [self._diagram(s, p) for s in self.samples for p in s.passages] if self.scenario else []
        if _has_places(self.result):
            for metric, axis, digits in (("control_delay_s", "delay_axis", 1), ("queue_max_veh", "queue_axis", 0)):
                self._add(metric, self._bars(metric, axis, digits))
        if self.samples and self.scenario:
            begin = self.scenario.period(self.result.period).begin_s
            self._add("speed", lambda lang: figures.speed_by_time(self.samples, self._place, begin, lang))
        if len(self.case.results) > 1:
            self._add("demand", lambda lang: figures.by_demand(self.case.results, lang))
        self.notes += self._strangers()

    def _add(self, name: str, build: Build) -> str:
        self.figures[f"{self.id}-figure-{name}"] = build
        return f"{self.id}-figure-{name}"

    def _bars(self, metric: str, axis: str, digits: int) -> Build:
        def build(language: Language) -> Figure:
            names = [(signal, getattr(name, language)) for signal, name in self.junctions]
            return figures.by_junction(self.result, metric, names, axis, digits, language)

        return build

    def has(self, name: str) -> bool:
        """Whether a figure is there."""
        return f"{self.id}-figure-{name}" in self.figures

    @property
    def title(self) -> Text:
        """Road, period, and what was out of the ordinary."""
        result = self.result
        seeds = say("seed_count") if len(result.seeds) == 1 else say("seeds_count", count=len(result.seeds))
        parts = [Text(*(f"{result.scenario} {result.period}",) * 2), seeds]
        parts += [say("demand_factor", factor=f"{result.demand:g}")] if result.demand != 1 else []
        parts += [say("sensing_is", sensing=result.sensing)] if result.sensing else []
        parts += [Text(result.incident, result.incident)] if result.incident else []
        return Text(", ".join(part.en for part in parts), "，".join(part.zh for part in parts))

    @property
    def sentences(self) -> tuple[Text, Text]:
        """The summary."""
        result, subject = self.result, self.case.best
        speed = next((m for m in ("mainline_speed_kmh", "speed_kmh") if m in subject.per_seed), None)
        road = self.scenario.title if self.scenario else result.scenario
        where = {"scenario": road, "period": result.period, "subject": subject.name}
        if subject is self.case.reference:
            after = number(subject.mean("delay_s"))
            first = say("sentence_one_delay", after=after, **where)
            fast = number(subject.mean(speed)) if speed else "–"
            return first, say("sentence_one_speed", metric=metric_label(speed or "speed_kmh"), after=fast)
        first = say("sentence_delay", **where, **self._change(subject, "delay_s"))
        if speed is None or speed not in self.case.reference.per_seed:
            return first, Text("", "")
        label = metric_label(speed)
        return first, say(
            "sentence_speed", metric=label, reference=self.case.reference.name, **self._change(subject, speed)
        )

    def _change(self, subject: SubjectResult, metric: str) -> dict[str, object]:
        before, after = self.case.reference.mean(metric), subject.mean(metric)
        difference, interval = self.result.paired(subject, metric)
        digits = find_metric(metric).digits
        told: Text = say("no_interval")
        if interval is not None:
            low, high = (number(value, digits, signed=True) for value in interval)
            told = say("interval_zero" if interval[0] <= 0 <= interval[1] else "interval", low=low, high=high)
        share = 100 * difference / before if before else math.nan
        return {
            "before": number(before, digits),
            "after": number(after, digits),
            "difference": number(difference, digits, signed=True),
            "share": number(share, 0, signed=True),
            "interval": told,
        }

    @property
    def safety(self) -> Text:
        """Whether a run was unsafe, and how often."""
        bad = [s for s in self.result.subjects if s.violations or s.collisions or s.teleports]
        counts = "; ".join(f"{s.name} {s.violations}, {s.collisions}, {s.teleports}" for s in bad)
        return say("unsafe", counts=counts) if bad else say("safe")

    @property
    def metrics(self) -> list[tuple[Text, Text, list[tuple[str, str, str, bool]]]]:
        """Rows of the table: label, unit, and per subject mean, interval, difference, and whether it is best."""
        measured = dict.fromkeys(name for subject in self.result.subjects for name in subject.per_seed)
        names = [*(name for name in METRICS if name in measured), *(name for name in measured if name not in METRICS)]
        return [(metric_label(name), unit(name), self._cells(name)) for name in names]

    def _cells(self, metric: str) -> list[tuple[str, str, str, bool]]:
        digits, winners, rows = find_metric(metric).digits, best(self.result, metric), []
        for subject in self.result.subjects:
            if metric not in subject.per_seed:
                rows.append(("", "", "", False))
                continue
            mean, interval, change = subject.mean(metric), subject.ci95(metric), ""
            span = "" if interval is None else f"{number(interval[0], digits)} … {number(interval[1], digits)}"
            if subject is not self.case.reference and metric in self.case.reference.per_seed:
                difference, around = self.result.paired(subject, metric)
                change = f"Δ {number(difference, digits, signed=True)}"
                if around is not None:
                    change += f" ({' … '.join(number(value, digits, signed=True) for value in around)})"
            rows.append((number(mean, digits), span, change, subject.name in winners))
        return rows

    @cached_property
    def artery(self) -> Artery | None:
        """The main road's signals, where the scenario is at hand and has them."""
        return find_artery(self.scenario, self.result.period) if self.scenario else None

    def _diagram(self, sample: Sample, passage: Passage) -> tuple[str, Text, list[tuple[Text, str]], Text | None]:
        """A time-space diagram: its id, its caption, the bands in it as (stretch, width), and why there are none."""
        scenario, artery, subject = self.scenario, self.artery, self.result.subject(sample.subject)
        assert scenario is not None
        assert artery is not None
        way, period = passage.course.way, scenario.period(self.result.period)
        found = stretches(scenario, subject.plans, artery, way) if subject.plans else []
        begin = period.begin_s + max(0, (period.duration_s - WINDOW_S) // 2)
        window = begin, min(begin + WINDOW_S, period.end_s)

        def build(language: Language) -> Figure:
            names = [getattr(self.name(signal), language) for signal in passage.signals]
            return figures.time_space(passage, found, names, window, language)

        name = self._add(f"space-{self._place[sample.subject]}-{way.name.replace(' ', '-')}", build)
        caption = say("time_space_of", subject=sample.subject, way=verbatim(way.name))
        forth = way is artery.outbound or way.name == artery.outbound.name
        return (
            name,
            caption,
            [(self._stretch(passage, s.first, s.last, forth), _band(s.width_s, s.cycle_s)) for s in found],
            None if found else self._bandless(sample, verbatim(way.name)),
        )

    def _stretch(self, passage: Passage, first: int, last: int, forth: bool) -> Text:
        ends = (first, last) if forth else (last, first)
        one, other = (self.name(passage.signals[k]) for k in ends)
        return Text(f"{one.en} → {other.en}", f"{one.zh} → {other.zh}")

    def _bandless(self, sample: Sample, way: Text) -> Text:
        """Why a subject has no band."""
        plans = self.result.subject(sample.subject).plans
        if not plans:
            key = "several_plans" if sample.fixed else "no_band"
            return say(key, subject=sample.subject, period=self.result.period)
        assert self.artery is not None
        if common_cycle_s(plans, self.artery) is None:
            return say("no_common_cycle", subject=sample.subject)
        return say("no_wide_band", subject=sample.subject, way=way)

    @property
    def window_minutes(self) -> int:
        """How much of a run the time-space diagrams show."""
        assert self.scenario is not None
        return min(WINDOW_S, self.scenario.period(self.result.period).duration_s) // 60

    @property
    def followed_speed(self) -> int:
        """Speed in a band, in % of the limit."""
        return round(100 * SPEED_FACTOR)

    def name(self, signal: str) -> Text:
        """What a junction is called."""
        rows = self.scenario.junctions if self.scenario else ()
        found = next((row for row in rows if row.signal == signal), None)
        if found is None:
            return Text(signal, signal)
        return Text(f"{signal} {found.name_en}", f"{signal} {found.name_zh or found.name_en}")

    @property
    def junctions(self) -> list[tuple[str, Text]]:
        """Signals with their names."""
        signals = dict.fromkeys(place.id for s in self.result.subjects for place in s.at("junction"))
        return [
            (signal, self.name(signal))
            for signal in signals or (self.scenario.network.signals if self.scenario else ())
        ]

    def stages(self, signal: str) -> list[tuple[int, Markup, Text]]:
        """Number, drawing and words of every stage."""
        assert self.scenario is not None
        network = self.scenario.network
        shape = network.signals[signal]
        return [
            (k, draw(shape, stage, network.left_hand), describe(shape, stage))
            for k, stage in enumerate(shape.stages, 1)
        ]

    def timings(self, signal: str) -> list[tuple[str, Text, Text | None, list[StageTime]]]:
        """Per compared subject its name, a heading, cycle and offset if it has them, and the stages in their order."""
        assert self.scenario is not None
        period = self.scenario.period(self.result.period)
        found: list[tuple[str, Text, Text | None, list[StageTime]]] = []
        for subject in self.case.compared:
            sample = next((s for s in self.samples if s.subject == subject.name), None)
            log = sample.executed if sample else None
            times = stage_times(signal, subject.plans, log, period.begin_s, period.end_s)
            if plan := subject.plans.get(signal):
                line = say("cycle_offset", cycle=plan.cycle_s, offset=plan.offset_s)
                found.append((subject.name, say("timing_fixed", subject=subject.name), line, times))
            elif sample is not None and times:
                key = "timing_several" if sample.fixed else "timing_adaptive"
                found.append((subject.name, say(key, subject=subject.name, seed=sample.seed), None, times))
        return found

    def place_row(self, id: str, level: str, signal: str = "") -> list[tuple[str, str, str]]:
        """Delay, level of service and queue of a place, per subject."""
        rows = []
        for subject in self.result.subjects:
            found = (p for p in subject.places if (p.level, p.id) == (level, id) and signal in ("", p.signal))
            means = next((place.means for place in found), {})
            delay = means.get("control_delay_s", math.nan)
            rows.append(
                (number(delay), level_of_service(delay) or "–", number(means.get("queue_max_veh", math.nan), 0))
            )
        return rows

    def movements(self, signal: str) -> list[tuple[Text, str]]:
        """What the movements at a signal are called, and their ids."""
        own = dict.fromkeys(p.id for s in self.result.subjects for p in s.at("movement") if p.signal == signal)
        shape = self.scenario.network.signals.get(signal) if self.scenario else None
        known = {m.id: movement_label(m) for m in shape.movements} if shape else {}
        return [(known.get(id, Text(id, id)), id) for id in own]

    @property
    def speeds(self) -> tuple[list[Text], list[tuple[str, list[str]]]]:
        """Heads and rows of the table of speeds by time."""
        assert self.scenario is not None
        begin = self.scenario.period(self.result.period).begin_s
        series = [(s.subject, name, values) for s in self.samples for name, values in s.speeds_kmh.items()]
        heads = [
            Text(f"{subject}, {metric_label(name).en}", f"{subject}，{metric_label(name).zh}")
            for subject, name, _ in series
        ]
        count = max((len(values) for _, _, values in series), default=0)
        return heads, [
            (_clock(begin + SLICE_S * k), [number(values[k]) for _, _, values in series]) for k in range(count)
        ]

    @property
    def demands(self) -> list[tuple[str, list[str]]]:
        """Rows of the table of delay by demand: factor, and mean with interval per subject of the base."""
        rows = []
        for result in self.case.results:
            known = {s.name: s for s in result.subjects}
            cells = [_delay(known[name]) if name in known else "–" for name in self._place]
            rows.append((f"{result.demand:g}", cells))
        return rows

    @property
    def method(self) -> Text:
        """How the figures were made."""
        result = self.result
        values = {"sumo": result.sumo, "greenband": result.greenband, "seeds": ", ".join(map(str, result.seeds))}
        if self.scenario is None:
            return say("method_bare", **values)
        period = self.scenario.period(result.period)
        begin, end = _clock(period.begin_s), _clock(period.end_s)
        return say("method_how", begin=begin, end=end, warmup=period.warmup_s // 60, **values)

    @property
    def remarks(self) -> list[Text]:
        """Incident, and runs that were lost."""
        result, found = self.result, list[Text]()
        found += [say("incident_was", incident=result.incident)] if result.incident else []
        for key, rows in (("retried", result.retried), ("failed", result.failed)):
            runs = "; ".join(f"{lost.subject} {lost.seed}: {lost.reason}" for lost in rows)
            found += [say(key, runs=runs)] if rows else []
        return found

    def _strangers(self) -> list[Text]:
        """Samples that are not the run that was evaluated."""
        found = []
        for sample in self.samples:
            then = self.result.subject(sample.subject).per_seed["delay_s"][self.result.seeds.index(sample.seed)]
            if not math.isclose(then, sample.delay_s, abs_tol=1e-5):
                now, before = number(sample.delay_s, 2), number(then, 2)
                found.append(say("other_run", subject=sample.subject, now=now, then=before))
        return found


def _has_places(result: Result) -> bool:
    """Whether a result tells of junctions."""
    return any(True for subject in result.subjects for _ in subject.at("junction"))


def _band(width_s: float, cycle_s: int) -> str:
    return f"{width_s:.0f} s ({100 * width_s / cycle_s:.0f} %)"


def _delay(subject: SubjectResult) -> str:
    span = subject.ci95("delay_s")
    mean = number(subject.mean("delay_s"))
    return mean if span is None else f"{mean} ({number(span[0])} … {number(span[1])})"


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}"
