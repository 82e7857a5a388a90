"""Both languages say the same: no text is missing in one, and the same values are put in."""

from __future__ import annotations

import re
import string
from importlib.resources import files

import pytest

from greenband.metrics import METRICS
from greenband.report.stages import POINTS, TURNS
from greenband.report.texts import TEXTS, Text, metric_label, say, verbatim


def fields(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("key", TEXTS)
def test_both_languages_are_there_and_take_the_same_values(key: str) -> None:
    text = TEXTS[key]
    assert text.en
    assert text.zh
    assert fields(text.en) == fields(text.zh)


def test_chinese_is_chinese() -> None:
    untranslated = [key for key, text in TEXTS.items() if not re.search(r"[\u4e00-\u9fff]", text.zh)]
    assert untranslated == ["other_language", "unit_s", "unit_km/h", "unit_g/km"]


def test_every_text_is_used() -> None:
    folder = files("greenband.report")
    sources = [part.read_text(encoding="utf-8") for part in folder.iterdir() if part.name.endswith((".py", ".j2"))]
    sources.append((files("greenband.cli") / "report.py").read_text(encoding="utf-8"))
    used = set(re.findall(r'"(\w+)"(?!: Text\()', "".join(sources)))
    families = {f"from_{point}" for point in POINTS} | {f"turn_{turn.lower()}" for turn in TURNS}
    families |= {f"unit_{metric.unit}" for metric in METRICS.values()}
    directions = {f"{point}bound" for point in ("north", "south", "east", "west", "out", "in")}
    assert set(TEXTS) - used - families - directions - set(METRICS) == set()
    assert families | directions <= set(TEXTS)


def test_every_metric_has_a_name_and_other_directions_get_theirs() -> None:
    for name, metric in METRICS.items():
        assert metric_label(name).en == metric.label
        assert re.search(r"[\u4e00-\u9fff]", metric_label(name).zh)
    assert metric_label("eastbound_speed_kmh") == Text("eastbound mainline speed", "东向干线车速")
    assert metric_label("ringwards_speed_kmh") == Text("ringwards mainline speed", "ringwards干线车速")
    assert verbatim("northbound") == Text("northbound", "北向")
    assert verbatim("ringwards") == Text("ringwards", "ringwards")


def test_a_text_within_a_text_goes_by_language() -> None:
    told = say("movements_of", junction=Text("Jincheng Rd", "金城路"))
    assert told == Text("Movements of Jincheng Rd", "金城路 各流向")


def test_every_text_that_the_template_asks_for_exists() -> None:
    template = (files("greenband.report") / "report.html.j2").read_text(encoding="utf-8")
    asked = set(re.findall(r'\bt\("(\w+)"', template))
    assert len(asked) > 20
    assert asked <= set(TEXTS)
