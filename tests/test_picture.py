"""Pictures: a page of the right size with every junction, lane, stage, flow and grade on it, whatever the network."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Text

from greenband.errors import BadInput, UnknownName
from greenband.picture import draw, fonts, save
from greenband.picture.shapes import Frame, ribbon, round_length
from greenband.plan.splits import movement_flows
from greenband.scenario import Scenario
from greenband.scenarios import load


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text) if isinstance(text, Text))


def arrows(axes: Axes) -> list[FancyArrowPatch]:
    return [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]


@pytest.fixture(scope="module")
def page(shixin_short: Scenario) -> Figure:
    return draw(shixin_short, "AM")


def test_a_picture_file_has_the_pages_size_and_is_not_blank(jincheng: Scenario, tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.png"
    save(jincheng, "AM", path)
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    inches = draw(jincheng, "AM").get_size_inches()
    assert (width, height) == pytest.approx((inches[0] * 170, inches[1] * 170), abs=1)
    from matplotlib.image import imread

    dark = np.asarray(imread(path))[..., :3].sum(axis=2) < 2.0
    assert 0.02 < dark.mean() < 0.5
    bands = np.array_split(dark, 4, axis=0)
    assert all(band.any() for band in bands)


def test_every_junction_is_named_with_its_grades(page: Figure, shixin_short: Scenario) -> None:
    words = texts(page)
    for row in shixin_short.junctions:
        assert f"{row.name_en}" in words
        assert f"[{row.name_grade}, {row.position_grade}]" in words
        assert f"position {row.position_grade} ±{row.position_uncertainty_m:g} m" in words
    assert "modelled on Shixin Road" in words
    assert "no survey" in words
    assert "Flows: grade assumed" in words


def test_every_approach_has_its_flow(page: Figure, shixin_short: Scenario) -> None:
    words, flows = texts(page), movement_flows(shixin_short.demand("AM"))
    for signal in shixin_short.network.signals.values():
        for edge in {m.from_edge for m in signal.movements}:
            total = sum(flows[m.id] for m in signal.movements if m.from_edge == edge)
            assert f"{total:.0f} veh/h" in words


def test_the_road_is_to_scale_and_has_a_scale_bar(page: Figure) -> None:
    overview = page.axes[0]
    across, along = (np.ptp(limits()) for limits in (overview.get_ylim, overview.get_xlim))
    box = overview.get_position()
    width, height = page.get_size_inches()
    assert (box.width * width) / (box.height * height) == pytest.approx(along / across, rel=1e-6)
    assert along == pytest.approx(1609 + 2 * 400, abs=60)  # from the first junction to the last, and two entries
    assert "200 m" in texts(page) or "500 m" in texts(page)


def test_a_stage_shows_an_arrow_for_each_movement(jincheng: Scenario) -> None:
    (signal,) = jincheng.network.signals.values()
    figure = draw(jincheng, "AM")
    stages = figure.axes[2:]
    assert len(stages) == len(signal.stages)
    for axes, stage in zip(stages, signal.stages, strict=True):
        assert len(arrows(axes)) == len(stage.movements)


def test_the_plan_in_force_gives_the_greens(jincheng: Scenario) -> None:
    import json

    plan = json.loads(jincheng.existing_plan_file("AM").read_text(encoding="utf-8"))["plans"]["AM"]["J11"]
    words = texts(draw(jincheng, "AM"))
    for stage in plan["stages"]:
        assert f"{stage['stage'] + 1} · {stage['green_s'] + stage['green_flash_s']} s" in words


def test_left_hand_traffic_with_people_on_foot() -> None:
    scenario: Scenario = load("macau_amizade", people=True)
    figure = draw(scenario, "AM")
    assert "Rua Cidade de Sintra" in texts(figure)
    north = Frame.along(scenario.network).north
    assert np.hypot(*north) == pytest.approx(1)
    assert "name C" in texts(figure)


def test_a_network_without_names_shows_its_signals(jincheng: Scenario, tmp_path: Path) -> None:
    bare = jincheng.model_copy(update={"junctions": (), "assumptions": (), "periods": _without_plan(jincheng)})
    words = texts(draw(bare, "AM"))
    assert "J11" in words
    assert "Jincheng Rd" not in words
    assert "Flows: no grade." in words


def _without_plan(scenario: Scenario) -> dict[str, object]:
    return {"AM": scenario.period("AM").model_copy(update={"existing_plan": None})}


def test_names_keep_apart(shixin: Scenario) -> None:
    """Junctions 5 to 8 lie closer than their names are high."""
    figure = draw(shixin, "AM")
    overview = figure.axes[0]
    names = [text for text in overview.texts if text.get_rotation() == 40]
    feet = sorted(text.get_position()[0] for text in names)
    inches = np.diff(feet) / np.ptp(overview.get_xlim()) * overview.get_position().width * 16
    assert len(feet) == 11
    assert inches.min() >= 0.27 - 1e-6


def test_chinese_is_drawn_only_with_a_font_for_it(monkeypatch: pytest.MonkeyPatch, jincheng: Scenario) -> None:
    monkeypatch.setattr(fonts, "families", lambda: [fonts.LATIN])
    assert fonts.printable("Jincheng Rd (金城路) é") == "Jincheng Rd é"
    assert fonts.printable("金城路") == ""
    assert fonts.printable("a () b") == "a () b"


@pytest.fixture
def unwritable(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("", encoding="utf-8")
    return tmp_path / "file" / "out.png"


def test_what_cannot_be_drawn_is_refused(jincheng: Scenario, unwritable: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"unknown kind of picture 'pgn'.*did you mean 'png'"):
        save(jincheng, "AM", tmp_path / "out.pgn")
    with pytest.raises(UnknownName, match="unknown period of jincheng 'XM'"):
        save(jincheng, "XM", tmp_path / "out.png")
    with pytest.raises(BadInput, match=r"out\.png: cannot be written"):
        save(jincheng, "AM", unwritable)


def test_shapes() -> None:
    line = np.array([[0.0, 0.0], [10.0, 0.0]])
    assert ribbon(line, 2.0, shift=5.0).tolist() == [[0, -6], [10, -6], [10, -4], [0, -4]]
    assert [round_length(extent) for extent in (9000.0, 800.0, 5.0)] == [1000, 100, 1]
