"""What an agency asks of a plan: the limits that rules hold plans against.

``cn`` follows Chinese practice as far as it is public, ``us`` the MUTCD and ITE; an agency's own is a YAML file with
the fields of ``Profile`` that differ from one of them.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from greenband.errors import BadInput, UnknownName

__all__ = ["PROFILES", "Profile", "load"]

MOST_BYTES = 100_000


class Profile(BaseModel):
    """Limits of an agency; times in s, speeds in m/s.

    ``kinematic`` asks for yellow and all-red by the ITE formulas beside the bounds. ``walking_ms`` is the speed at
    which the clearance must suffice, ``slow_walking_ms`` that for walk and clearance together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    yellow_s: tuple[int, int] = Field(description="least and most")
    all_red_s: tuple[int, int] = Field(description="least and most")
    kinematic: bool
    green_flash_s: int = Field(ge=0, description="least flash of a green")
    walk_s: int = Field(ge=0, description="least walk")
    walking_ms: float = Field(gt=0)
    slow_walking_ms: float | None = Field(default=None, gt=0)
    buffer_s: int = Field(ge=0, description="least time from the end of the way over to a conflicting green")
    min_green_s: int = Field(ge=0, description="least minimum green of a stage")
    cycle_s: tuple[int, int] = Field(description="shortest and longest")
    plans: int = Field(description="plans that a controller holds")
    day_plans: int = Field(description="day plans that a controller holds")
    switches: int = Field(description="switches in a day plan")
    schedule_rows: int = Field(description="rows of the schedule")
    stay_min: int = Field(description="least minutes for which a plan stays, since each change costs a transition")
    changes: int = Field(description="most changes of plan in a day")


PROFILES = {
    "cn": Profile(
        name="cn",
        yellow_s=(3, 5),
        all_red_s=(1, 6),
        kinematic=False,
        green_flash_s=3,
        walk_s=7,
        walking_ms=1.2,
        buffer_s=0,
        min_green_s=5,
        cycle_s=(30, 300),
        plans=32,
        day_plans=16,
        switches=48,
        schedule_rows=40,
        stay_min=30,
        changes=8,
    ),
    "us": Profile(
        name="us",
        yellow_s=(3, 6),
        all_red_s=(0, 6),
        kinematic=True,
        green_flash_s=0,
        walk_s=7,
        walking_ms=1.07,
        slow_walking_ms=0.91,
        buffer_s=3,
        min_green_s=5,
        cycle_s=(30, 255),
        plans=48,
        day_plans=16,
        switches=16,
        schedule_rows=16,
        stay_min=30,
        changes=8,
    ),
}


def load(name: str) -> Profile:
    """A profile by name, or from a YAML file whose ``base`` names the one it changes (``cn`` by default).

    Raises:
        UnknownName: there is no such profile and no such file.
        BadInput: the file cannot be used; names it and the field.
    """
    path = Path(name)
    if name in PROFILES:
        return PROFILES[name]
    if path.suffix not in (".yaml", ".yml"):
        raise UnknownName("profile", name, PROFILES)
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise BadInput(f"{path}: not a profile: it must map fields to values")
    base = data.pop("base", "cn")
    if not isinstance(base, str) or base not in PROFILES:
        raise UnknownName(f"{path}: base", str(base), PROFILES)
    try:
        return Profile.model_validate(PROFILES[base].model_dump() | {"name": path.stem} | data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{path}: {field}: {first['msg']}") from error


def read_yaml(path: Path) -> object:
    """What a small YAML file holds.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadInput(f"{path}: larger than {MOST_BYTES} bytes")
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"{path}: not YAML: {' '.join(str(error).split())}") from error
