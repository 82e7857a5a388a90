"""The file: self-contained, escaped, complete, in both languages."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from greenband.evaluation import PlaceResult, Result
from greenband.junction_metrics import Level
from greenband.plan.model import TimingPlan
from greenband.report.cases import Case, gather
from greenband.report.page import render
from greenband.report.sample import Sample
from greenband.report.texts import Text
from greenband.report.view import Chapter, View, number
from greenband.scenario import Scenario

SECTIONS = ("before_after", "time_space", "stages", "places", "speed_time", "demand", "method")


class Outline(HTMLParser):
    """Elements with their attributes, and the text outside scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.script = ""
        self._within = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "script":
            self.script += data
        elif self._within != "style":
            self.text += data


@pytest.fixture(scope="module")
def outline(page: Path) -> Outline:
    return Outline(page.read_text(encoding="utf-8"))


def drawings(html: str) -> dict[str, dict[str, object]]:
    found = re.search(r'<script type="application/json" id="drawings">(.*?)</script>', html, re.S)
    assert found is not None
    return dict(json.loads(found[1]))


def test_the_file_needs_no_other(outline: Outline) -> None:
    for tag, attributes in outline.elements:
        assert tag not in ("link", "img", "iframe", "object", "base")
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    policy = next(a for tag, a in outline.elements if tag == "meta" and a.get("http-equiv"))
    assert "default-src 'none'" in str(policy["content"])


def test_every_section_is_there_and_reached_from_the_contents(outline: Outline) -> None:
    ids = [a["id"] for _, a in outline.elements if "id" in a]
    assert len(ids) == len(set(ids))
    links = [a["href"] for tag, a in outline.elements if tag == "a"]
    for key in SECTIONS:
        assert f"case1-{key}" in ids
        assert f"#case1-{key}" in links
    labels = [id for _, a in outline.elements for id in (a.get("aria-labelledby") or "").split()]
    assert set(labels) <= set(ids)


def test_figures_have_captions_and_tables(page: Path, outline: Outline) -> None:
    plots = {str(a["id"]) for _, a in outline.elements if a.get("class") == "plot"}
    assert plots == set(drawings(page.read_text(encoding="utf-8")))
    spaces = {f"case1-figure-space-{k}-{way}" for k in (0, 1) for way in ("northbound", "southbound")}
    assert plots == spaces | {
        f"case1-figure-{name}" for name in ("control_delay_s", "queue_max_veh", "speed", "demand")
    }
    assert sum(tag == "figcaption" for tag, _ in outline.elements) == len(plots)


def test_both_languages_are_in_it(outline: Outline) -> None:
    spans = [a["lang"] for tag, a in outline.elements if tag == "span" and "lang" in a]
    assert spans.count("en") == spans.count("zh") > 50
    for words in ("Time-space diagrams", "时距图", "J11 Jincheng Rd", "J11 金城路", "from the north", "北进口"):
        assert words in outline.text


def test_the_summary_has_two_sentences_with_figures(case: Case, page: Path, road: Scenario) -> None:
    existing, best = case.compared
    first, second = (s.mean("delay_s") for s in case.compared)
    slow, fast = (s.mean("mainline_speed_kmh") for s in case.compared)
    lead = re.search(r'<p class="lead">(.*?)</p>', page.read_text(encoding="utf-8"), re.S)
    assert lead is not None
    text = Outline(lead[1]).text
    assert (
        f"On {road.title}, AM, maxpressure changes the mean delay of all vehicles from {first:.1f} to {second:.1f} s"
        f" ({number(second - first, 1, signed=True)} s, {number(100 * (second - first) / first, 0, signed=True)} %;"
        " one seed, so no interval)."
    ) in text
    assert f"mainline speed goes from {slow:.1f} to {fast:.1f} km/h" in text
    assert (existing.name, best.name) == ("existing", "maxpressure")


def test_the_chinese_page_has_no_english_unit(chapter: Chapter) -> None:
    html = render([chapter], "zh")
    shown = re.sub(r'<span lang="en">.*?</span>', "", re.sub(r"<script.*?</script>", "", html, flags=re.S), flags=re.S)
    text = Outline(shown).text
    assert "s/辆" in text
    assert not re.search(r"\b(veh|vehicles?|person|per|of|stage|seed|cycle|offset)\b", text.partition("假设")[0])


def test_places_show_delay_level_of_service_and_queue(bare: Result) -> None:
    def place(delay: float, queue: float, signal: str, id: str) -> PlaceResult:
        level: Level = "junction" if id == signal else "movement"
        return PlaceResult(level, id, signal, {"control_delay_s": delay, "queue_max_veh": queue}, {})

    first, second = bare.subjects
    seen = (place(12.34, 7, "J1", "J1"), place(56.0, 6, "J1", "a>b"), place(90.0, 5, "J2", "a>b"))
    nobody = (place(math.nan, 0, "J1", "J1"),)
    result = replace(bare, subjects=(replace(first, places=seen), replace(second, places=nobody)))
    (case,) = gather([result])
    view = View(Chapter(case), "case1")
    assert view.place_row("J1", "junction") == [("12.3", "B", "7"), ("–", "–", "0")]
    assert view.place_row("a>b", "movement", "J1") == [("56.0", "E", "6"), ("–", "–", "–")]
    assert view.place_row("a>b", "movement", "J2") == [("90.0", "F", "5"), ("–", "–", "–")]
    assert re.search(
        r"J1</th>\s*<td>12.3</td><td>B</td><td>7</td><td>–</td><td>–</td><td>0</td>", render([Chapter(case)], "en")
    )


def test_a_direction_of_any_name_has_a_row(bare: Result) -> None:
    fast = [replace(s, per_seed={**s.per_seed, "eastbound_speed_kmh": [30.5, 31.5]}) for s in bare.subjects]
    (case,) = gather([replace(bare, subjects=tuple(fast))])
    rows = {label: (unit, cells) for label, unit, cells in View(Chapter(case), "case1").metrics}
    unit, cells = rows[Text("eastbound mainline speed", "东向干线车速")]
    assert unit.en == "km/h"
    assert [cell[0] for cell in cells] == ["31.0", "31.0"]


def without_plans(case: Case) -> Case:
    """As a period of several plans gives it."""
    (base, *others) = case.results
    bases = [replace(r, subjects=tuple(replace(s, plans={}) for s in r.subjects)) for r in (base, *others)]
    return Case(tuple(bases))


def test_several_plans_are_not_called_adaptive(case: Case, samples: dict[str, Sample], road: Scenario) -> None:
    text = Outline(render([Chapter(without_plans(case), road, samples)], "en")).text
    assert text.count("existing runs fixed plans. Over AM several plans follow each other") == 2
    assert "existing: several fixed plans one after the other" in text
    assert "existing: decides" not in text
    assert text.count("maxpressure has no green band: it decides anew") == 2
    assert "maxpressure: decides as it goes" in text


def test_plans_without_a_band_say_why(case: Case, samples: dict[str, Sample], road: Scenario) -> None:
    existing = case.reference.plans
    narrow = {name: narrowed(plan) for name, plan in existing.items()}
    odd = {**existing, "J10": existing["J10"].model_copy(update={"cycle_s": existing["J10"].cycle_s + 10})}
    for plans, told in (
        (narrow, "northbound: the offsets leave none of 2 s"),
        (odd, ": its plans have no common cycle"),
    ):
        results = [replace(r, subjects=(replace(r.subjects[0], plans=plans), *r.subjects[1:])) for r in case.results]
        text = Outline(render([Chapter(Case(tuple(results)), road, samples)], "en")).text
        assert re.search(f"existing has no green band ?{told}", text)


def narrowed(plan: TimingPlan) -> TimingPlan:
    """With a second of green for each stage but the last, which goes straight on nowhere."""
    *stages, last = plan.stages
    cut = [stage.model_copy(update={"green_s": 1, "green_flash_s": 0}) for stage in stages]
    freed = sum(stage.go_s for stage in stages) - len(cut)
    return plan.model_copy(update={"stages": (*cut, last.model_copy(update={"green_s": last.green_s + freed}))})


def test_assumptions_stand_with_their_grades(road: Scenario, outline: Outline) -> None:
    for row in road.assumptions:
        assert row.figure in outline.text
        assert row.value in outline.text


def test_the_language_shown_first(chapter: Chapter) -> None:
    html = render([chapter], "zh")
    assert '<html lang="zh">' in html
    assert "<title>信号配时评估报告" in html


def test_the_same_input_gives_the_same_file(chapter: Chapter) -> None:
    assert render([chapter], "en") == render([chapter], "en")


def test_a_result_alone_makes_a_report_that_says_what_is_missing(bare: Result) -> None:
    (case,) = gather([bare])
    html = render([Chapter(case, None, {}, [Text("no such scenario", "没有该场景")])], "en")
    outline = Outline(html)
    assert "no such scenario" in outline.text
    assert drawings(html) == {}
    assert outline.text.count("Left out") == 4
    assert "95 % interval −15.0 to −10.0" in outline.text
    assert "Broken safety rules, collisions, teleports" in outline.text


def test_what_comes_from_files_is_escaped(bare: Result) -> None:
    (case,) = gather([bare, replace(bare, demand=1.2)])
    html = render([Chapter(case)], "en")
    outline = Outline(html)
    assert not [tag for tag, _ in outline.elements if tag in ("img", "b")]
    assert "</script><img src=x onerror=alert(1)>" in outline.text
    assert "nowhere <b>&" in outline.text
    (demand,) = drawings(html).values()
    figure = json.dumps(demand["figure"])
    assert "&lt;img" in figure  # plotly takes text for markup
    assert "<img" not in figure


def test_an_interval_around_zero_is_called_chance(bare: Result) -> None:
    first, second = bare.subjects
    close = replace(second, per_seed={"delay_s": [45.0, 63.0], "speed_kmh": [20.0, 21.0]})
    (case,) = gather([replace(bare, subjects=(first, close))])
    text = Outline(render([Chapter(case)], "en")).text
    assert "95 % interval −5.0 to +3.0, so it may be chance" in text


def test_a_run_that_is_another_now_is_said(case: Case, samples: dict[str, Sample], road: Scenario) -> None:
    changed = {name: replace(sample, delay_s=sample.delay_s + 1) for name, sample in samples.items()}
    text = Outline(render([Chapter(case, road, changed)], "en")).text
    assert text.count("is not the one that was evaluated") == 2


def test_numbers() -> None:
    assert [number(-1.26), number(2.0, 0, signed=True), number(math.nan)] == ["−1.3", "+2", "–"]
