"""Write ``docs/scenarios/NAME.md`` for every shipped scenario: ``python scripts/document_scenarios.py``."""

from pathlib import Path

from greenband.files import write_text
from greenband.scenarios import available
from greenband.scenarios.document import page

if __name__ == "__main__":
    folder = Path(__file__).parents[1] / "docs" / "scenarios"
    folder.mkdir(exist_ok=True)
    for name in available():
        write_text(folder / f"{name}.md", page(name))
