"""What detectors tell a controller, and how well they do it.

How they come by it is in ``detectors``; how they fail is in ``faults``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from greenband.errors import BadInput, UnknownName

__all__ = ["Kind", "Measurement", "SensingConfig", "SignalView"]

Floats = npt.NDArray[np.float64]
Kind = Literal["camera", "loops"]
KINDS = ("camera", "loops")


@dataclass(frozen=True)
class SensingConfig:
    """How signals see traffic: by default through cameras that never err and never fail.

    What is seen: cameras, one at every approach and exit, see ``range_m`` from the stop line (infinity is all-knowing
    sensing, for research only); loops are ``loop_m`` long, one in every lane before the stop line. Both kinds count
    vehicles as they cross it if ``count_passed``.

    How well: ``miss_rate`` is the probability that a vehicle is not seen, drawn anew at every measurement; ``noise``
    the standard deviation of a count relative to it.

    How reliably: while it works, a detector drops out ``dropout_per_h`` times an hour, for ``dropout_s`` seconds on
    average, and a junction with all its detectors ``junction_dropout_per_h`` times for ``junction_dropout_s``. The last
    good values are held for ``hold_s`` seconds; a signal that has been blind for longer follows its fixed pattern.

    Raises:
        UnknownName: there is no such kind.
        BadInput: a value is out of range.
    """

    range_m: float = 80.0
    kind: Kind = "camera"
    loop_m: float = 2.0
    count_passed: bool = False
    miss_rate: float = 0.0
    noise: float = 0.0
    dropout_per_h: float = 0.0
    dropout_s: float = 0.0
    junction_dropout_per_h: float = 0.0
    junction_dropout_s: float = 0.0
    hold_s: float = 30.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownName("kind of sensing", str(self.kind), KINDS)
        if not isinstance(self.count_passed, bool):
            raise BadInput(f"sensing count_passed must be true or false, not {self.count_passed!r}")
        for name in ("range_m", "loop_m"):
            if not self._number(name) > 0:
                raise BadInput(f"sensing {name} must be above 0, not {self._number(name)}")
        for name in ("noise", "dropout_per_h", "dropout_s", "junction_dropout_per_h", "junction_dropout_s", "hold_s"):
            if not 0 <= self._number(name) < math.inf:
                raise BadInput(f"sensing {name} must be at least 0 and finite, not {self._number(name)}")
        if not 0 <= self._number("miss_rate") <= 1:
            raise BadInput(f"sensing miss_rate must be 0 to 1, not {self.miss_rate}")
        for name in ("dropout", "junction_dropout"):
            if (self._number(f"{name}_per_h") > 0) != (self._number(f"{name}_s") > 0):
                raise BadInput(f"sensing {name}_per_h and {name}_s must both be above 0, or both 0")

    def _number(self, name: str) -> float:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadInput(f"sensing {name} must be a number, not {value!r}")
        return value

    @property
    def drops_out(self) -> bool:
        """Whether detectors ever fail."""
        return self.dropout_per_h > 0 or self.junction_dropout_per_h > 0

    @property
    def faultless(self) -> bool:
        """Whether detectors neither err nor fail."""
        return not (self.miss_rate or self.noise or self.drops_out)


@dataclass(frozen=True)
class SignalView:
    """One signal at one moment.

    Per movement, shape ``[movements]``: ``approaching`` and ``standing`` vehicles before the stop line, ``leaving``
    vehicles on the exit lanes, ``passed`` vehicles that crossed the stop line since the measurement before, None where
    they are not counted. Stop-line loops know less, see ``detectors.StopLineLoops``. Per stage, shape ``[stages]``:
    ``red_s`` since it was last left, ``allowed`` whether the interlock would take it. ``stage`` is shown, or being
    brought in if ``in_transition``. ``blind_s`` is for how long some movement has been without any working detector:
    0 with all in order, infinite if it never had one.
    """

    approaching: Floats
    standing: Floats
    leaving: Floats
    stage: int
    in_transition: bool
    green_s: int
    red_s: npt.NDArray[np.int64]
    allowed: npt.NDArray[np.bool_]
    passed: Floats | None = None
    blind_s: float = 0.0

    @property
    def present(self) -> Floats:
        """Approaching plus standing vehicles per movement."""
        return self.approaching + self.standing


@dataclass(frozen=True)
class Measurement:
    """All controlled signals at a simulation time in seconds."""

    time_s: int
    signals: Mapping[str, SignalView]
