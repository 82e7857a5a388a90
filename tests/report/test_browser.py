"""The report in a real browser: Debian's chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright import sync_api as playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FIGURES = 8

# on a developer's machine without a browser; CI installs one, and there its absence is a failure
pytestmark = pytest.mark.skipif(CHROMIUM is None and "CI" not in os.environ, reason="no chromium is installed")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Any, page: Path) -> Iterator[Any]:
    """The report, opened; at the end nothing may have gone wrong, and nothing may have been asked of the network."""
    tab = chromium.new_page(viewport={"width": 1200, "height": 900})
    said: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.set_default_timeout(120_000)
    tab.goto(page.as_uri())
    until(tab, "[...document.querySelectorAll('.plot')].every((plot) => plot.querySelector('.trace'))")
    yield tab
    tab.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def until(tab: Any, true: str) -> None:
    """Wait for a condition in JavaScript; Playwright's own way of waiting is stopped by the page's security policy."""
    deadline = time.monotonic() + 60
    while not tab.evaluate(true):
        assert time.monotonic() < deadline, f"never so: {true}"
        tab.wait_for_timeout(50)


def words(tab: Any) -> str:
    return str(tab.inner_text("body"))


def test_every_figure_is_drawn_with_something_in_it(tab: Any) -> None:
    assert tab.locator(".plot").count() == FIGURES
    for k in range(FIGURES):
        plot = tab.locator(".plot").nth(k)
        assert plot.locator(".trace").count() > 0
        assert plot.bounding_box()["height"] > 300


def test_the_language_switches_by_click_and_by_keyboard(tab: Any) -> None:
    assert "Signal timing report" in words(tab)
    assert "信号配时评估报告" not in words(tab)
    tab.click("#language")
    assert tab.evaluate("document.documentElement.lang") == "zh"
    assert "信号配时评估报告" in words(tab)
    assert "Signal timing report" not in words(tab)
    until(tab, "document.querySelector('.plot .xtitle').textContent === '时刻'")
    assert tab.title().startswith("信号配时评估报告")
    tab.focus("#language")
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.documentElement.lang") == "en"
    until(tab, "document.querySelector('.plot .xtitle').textContent === 'time of day'")


def test_the_first_stop_of_the_tab_key_skips_to_the_report(tab: Any) -> None:
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    tab.keyboard.press("Enter")
    assert tab.evaluate("location.hash") == "#report"


def test_the_diagram_moves_by_button(tab: Any) -> None:
    seen = "document.querySelector('.plot').layout.xaxis.range"
    begin, end = tab.evaluate(seen)
    tab.locator("[data-move=zoom_in]").first.click()
    until(tab, f"{seen}[1] - {seen}[0] < {end - begin}")
    near = tab.evaluate(seen)
    tab.locator("[data-move=later]").first.press("Enter")
    until(tab, f"{seen}[0] > {near[0]}")


def test_a_click_opens_the_movements_and_on_the_legend_hides_a_subject(tab: Any) -> None:
    details = tab.locator("details").first
    details.locator("summary").click()
    assert "from the north, straight" in details.inner_text()
    bars = tab.locator("#case1-figure-control_delay_s .trace.bars")
    assert bars.count() == 2
    tab.locator("#case1-figure-control_delay_s .legendtoggle").first.click()
    until(tab, "document.querySelectorAll('#case1-figure-control_delay_s .trace.bars').length === 1")


def test_it_prints_with_all_figures_and_movements(tab: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    tab.pdf(path=path, prefer_css_page_size=True)
    assert path.read_bytes().startswith(b"%PDF")
    assert path.stat().st_size > 50_000
    assert tab.evaluate("[...document.querySelectorAll('details')].every((part) => !part.open)")  # as it was


def test_it_fits_a_narrow_screen(tab: Any) -> None:
    tab.set_viewport_size({"width": 400, "height": 800})
    until(tab, "document.documentElement.scrollWidth <= 400")  # figures follow the window a moment later
