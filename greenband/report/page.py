"""The report's page: what it says, put into its template."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import plotly.io
import plotly.offline
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from greenband import __version__
from greenband.files import write_text
from greenband.report.texts import LANGUAGES, Language, Text, say
from greenband.report.view import Chapter, View

__all__ = ["render", "write_report"]


def write_report(chapters: Sequence[Chapter], path: Path, language: Language = "en") -> None:
    """Write one file that needs no other; both languages are in it, ``language`` is shown first.

    Raises:
        OSError: the file cannot be written.
    """
    write_text(path, render(chapters, language))


def render(chapters: Sequence[Chapter], language: Language) -> str:
    """The page as text."""
    environment = Environment(
        loader=PackageLoader("greenband.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.globals.update(t=lambda key, **values: spoken(say(key, **values)), say=spoken)
    views = [View(chapter, f"case{number}") for number, chapter in enumerate(chapters, 1)]
    drawings: dict[str, dict[str, Any]] = {}
    for view in views:
        for name, build in view.figures.items():
            drawings[name] = {lang: json.loads(plotly.io.to_json(build(lang))) for lang in LANGUAGES}
    return environment.get_template("report.html.j2").render(
        language=language,
        views=views,
        version=__version__,
        titles={lang: getattr(say("title"), lang) for lang in LANGUAGES},
        style=Markup(_part("report.css")),
        plotly=Markup(plotly.offline.get_plotlyjs()),
        script=Markup(_part("report.js")),
        drawings=script_json({name: _patched(drawing) for name, drawing in drawings.items()}),
    )


def spoken(text: Text) -> Markup:
    """Both languages; the style sheet shows the chosen one."""
    if text.en == text.zh:
        return escape(text.en)
    return Markup('<span lang="en">{}</span><span lang="zh">{}</span>').format(text.en, text.zh)


def script_json(data: object) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def _patched(drawing: Mapping[str, Any]) -> dict[str, Any]:
    """A drawing in English, and where it reads differently in Chinese: pairs of a path of keys and the value there."""
    return {"figure": drawing["en"], "zh": list(_differences(drawing["en"], drawing["zh"], []))}


def _differences(here: Any, there: Any, path: list[str | int]) -> Iterator[list[Any]]:
    if isinstance(here, dict) and isinstance(there, dict) and here.keys() == there.keys():
        for key in here:
            yield from _differences(here[key], there[key], [*path, key])
    elif isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
        for number, (one, other) in enumerate(zip(here, there, strict=True)):
            yield from _differences(one, other, [*path, number])
    elif here != there:
        yield [path, there]


def _part(name: str) -> str:
    return (files("greenband.report") / name).read_text(encoding="utf-8")
