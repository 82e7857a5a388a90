"""YAML files whose values are all texts, exactly as written.

YAML's own guesses would make a number of the junction ``06``, and another password of ``0123``; and its parser's
messages quote the line that is wrong, which may hold a secret.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from greenband.errors import BadInput

__all__ = ["mapping"]


class _Twice(yaml.YAMLError):
    """A field that is given twice, of which YAML would keep the last."""

    def __init__(self, node: yaml.Node) -> None:
        self.problem_mark = node.start_mark


class _Loader(yaml.BaseLoader):  # not its twin in C, which overflows the stack where brackets are nested deeply
    """Leaves out fields without a value, and refuses those given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in names:
                raise _Twice(key)
            names.add(key.value)
        return {name: value for name, value in super().construct_mapping(node, deep=True).items() if value != ""}


def mapping(data: bytes, source: Path) -> dict[str, Any]:
    """The fields of a YAML file, all of its values texts, lists and mappings; those without a value are left out.

    Raises:
        BadInput: it is no YAML, maps nothing, or gives a field twice. Names the line, and nothing of what stands there.
    """
    try:
        found = yaml.load(data.decode("utf-8"), _Loader)
    except _Twice as error:
        fault = f"a field is given twice, or its name is no text{_place(error)}"
    except yaml.YAMLError as error:
        fault = f"not YAML{_place(error)}; quote a text that holds signs"
    except UnicodeDecodeError:
        fault = "not a text file in UTF-8"
    except RecursionError:
        fault = "not such a file: nested too deeply"
    else:
        if isinstance(found, dict):
            return found
        fault = "must map fields to values"
    raise BadInput(f"{source}: {fault}")  # outside of the handler, so that it does not take along what it is about


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
