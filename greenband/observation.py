"""Measurement to arrays: one fixed layout for a signal of any shape.

Per stage, padded to ``MAX_STAGES`` rows, ``STAGE_FEATURES``; then ``SIGNAL_FEATURES`` once. All values are brought to
about [0, 1] by fixed scales, which policies have on their cards. The first feature of each stage is the action mask, so
that every learner has it with the observation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from greenband.errors import BadInput
from greenband.neighbours import Feed, feeds
from greenband.network import Network
from greenband.platoons import Platoons
from greenband.sensing import Measurement
from greenband.signals import Limits

__all__ = [
    "MAX_STAGES",
    "OBSERVATION_SIZE",
    "RED_S",
    "SIGNAL_FEATURES",
    "SIGNAL_SCALES",
    "STAGE_FEATURES",
    "STAGE_SCALES",
    "Encoder",
    "action_mask",
    "standing_alone",
    "vehicles_before",
]

Array = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

MAX_STAGES = 8
VEHICLES, LANES, RED_S, GREEN_S, INTERGREEN_S = 40, 12, 120.0, 30, 10
STAGE_SCALES: dict[str, float] = {  # what each feature of a stage is divided by
    "allowed": 1,  # the interlock would take a request for this stage
    "exists": 1,  # 0 in padding
    "present": 1,  # shown, or being brought in
    "red": RED_S,  # s since it was last left
    "approaching": VEHICLES,  # moving vehicles in camera range before its stop lines
    "standing": VEHICLES,  # standing vehicles there
    "standing_per_lane": 12,  # of its fullest movement, vehicles per lane
    "leaving": VEHICLES,  # vehicles on its exits within camera range
    "usual": VEHICLES,  # exponential mean of approaching + standing over about 3 minutes
    "lanes": LANES,  # lanes it serves
    "min_green": GREEN_S,
    "soon": VEHICLES,  # vehicles that come from the signals behind within 10 s
    "later": VEHICLES,  # within 10 to 25 s
    "far": VEHICLES,  # within 25 to 45 s
    "ahead_standing": VEHICLES,  # standing vehicles that those it serves will meet at the next signal
    "ahead_open": 1,  # share of its lanes that lead to green or out of the network
    "behind_standing": VEHICLES,  # standing vehicles that will come to it from the signals behind
    "behind_green": 1,  # share of its lanes to which the signals behind are sending
}
SIGNAL_SCALES: dict[str, float] = {
    "in_transition": 1,  # flag
    "green": 60,  # s of the stage that is shown
    "intergreen": INTERGREEN_S,
}
STAGE_FEATURES, SIGNAL_FEATURES = tuple(STAGE_SCALES), tuple(SIGNAL_SCALES)
OBSERVATION_SIZE = MAX_STAGES * len(STAGE_FEATURES) + len(SIGNAL_FEATURES)
BETWEEN = slice(STAGE_FEATURES.index("soon"), None)  # what is known of the signals ahead and behind
MEMORY_S = 180.0


def action_mask(observation: Array) -> npt.NDArray[np.bool_]:
    """The mask inside observations of shape ``[..., OBSERVATION_SIZE]``, as ``[..., MAX_STAGES]``."""
    width = len(STAGE_FEATURES)
    return observation[..., 0 : MAX_STAGES * width : width] > 0.5


def vehicles_before(observations: Array) -> Array:
    """Vehicles in camera range before the stage with most of them, ``[..., OBSERVATION_SIZE]`` to ``[...]``."""
    width = len(STAGE_FEATURES)
    stages = observations[..., : MAX_STAGES * width].reshape(*observations.shape[:-1], MAX_STAGES, width)
    seen = stages[..., STAGE_FEATURES.index("approaching")] + stages[..., STAGE_FEATURES.index("standing")]
    most: Array = seen.max(axis=-1) * VEHICLES
    return most


def standing_alone(observations: Array) -> Array:
    """The same, shape ``[n, OBSERVATION_SIZE]``, as signals would see it that have no others ahead or behind."""
    alone = observations.copy()
    stages = alone[:, : MAX_STAGES * len(STAGE_FEATURES)].reshape(len(alone), MAX_STAGES, len(STAGE_FEATURES))
    stages[..., BETWEEN] = 0.0
    stages[..., STAGE_FEATURES.index("ahead_open")] = stages[..., STAGE_FEATURES.index("exists")]
    return alone


class Encoder:
    """Turns measurements of a network's signals into observations. Keeps a running mean; ``reset`` for each run.

    All signals are encoded at once, in arrays padded to ``MAX_STAGES`` stages and to the most movements of a signal.

    Raises:
        BadInput: a signal has more than ``MAX_STAGES`` stages.
    """

    def __init__(self, network: Network, limits: Mapping[str, Limits]) -> None:
        signals = list(network.signals.values())
        for signal in signals:
            if (n := len(signal.stages)) > MAX_STAGES:
                raise BadInput(f"signal {signal.id} has {n} stages; observations hold at most {MAX_STAGES}")
        self._names = list(network.signals)
        self._stages = _places([len(signal.stages) for signal in signals])
        self._movements = _places([len(signal.movements) for signal in signals])
        width = max(len(signal.movements) for signal in signals)
        self._serves = np.zeros((len(signals), MAX_STAGES, width))
        lanes = np.ones((len(signals), width))
        self._fixed = np.zeros((len(signals), MAX_STAGES, len(STAGE_FEATURES)), np.float32)
        for s, signal in enumerate(signals):
            lanes[s, : len(signal.movements)] = [len(movement.from_lanes) for movement in signal.movements]
            self._fixed[s, : len(signal.stages), 10] = np.array(limits[signal.id].min_green_s) / GREEN_S
            for k, stage in enumerate(signal.stages):
                self._serves[s, k, list(stage.movements)] = 1.0
        self._per_lane = self._serves / lanes[:, None]
        self._fixed[(*self._stages, 1)] = 1.0
        self._fixed[..., 9] = (self._serves @ lanes[..., None])[..., 0] / LANES
        self._intergreen = np.array([limits[signal.id].intergreen_s for signal in signals]) / INTERGREEN_S
        self._seen = np.zeros((len(signals), width, 3))  # approaching, standing, leaving per movement
        between = feeds(network)
        self._neighbours = _Neighbours(network, between, self._serves, lanes)
        self._platoons = Platoons(network, between, width)
        self.reset()

    def reset(self) -> None:
        """Forget the past run."""
        self._usual = np.zeros(self._fixed.shape[:2])
        self._last_s: int | None = None
        self._platoons.reset()

    def encode(self, measurement: Measurement) -> Array:
        """Observations of all signals in the network's order, shape ``[signals, OBSERVATION_SIZE]``."""
        views = [measurement.signals[name] for name in self._names]
        for k, field in enumerate(("approaching", "standing", "leaving")):
            self._seen[(*self._movements, k)] = np.concatenate([getattr(view, field) for view in views])
        served = self._serves @ self._seen
        self._remember(measurement.time_s, served[..., 0] + served[..., 1])
        table = self._fixed.copy()
        table[(*self._stages, 0)] = np.concatenate([view.allowed for view in views])
        table[np.arange(len(views)), [view.stage for view in views], 2] = 1.0
        table[(*self._stages, 3)] = np.concatenate([view.red_s for view in views]) / RED_S
        table[..., 4:6] = served[..., :2] / VEHICLES
        table[..., 6] = (self._per_lane * self._seen[:, None, :, 1]).max(axis=-1) / STAGE_SCALES["standing_per_lane"]
        table[..., 7] = served[..., 2] / VEHICLES
        table[..., 8] = self._usual / VEHICLES
        table[..., 11:14] = self._serves @ self._platoons.forecast(measurement.time_s, self._seen[..., 2]) / VEHICLES
        table[..., 14:18] = self._neighbours.look([view.stage for view in views], self._seen[..., 1])
        whole = [(view.in_transition, view.green_s / SIGNAL_SCALES["green"]) for view in views]
        return np.column_stack([table.reshape(len(views), -1), whole, self._intergreen]).astype(np.float32)

    def _remember(self, time_s: int, present: npt.NDArray[np.float64]) -> None:
        keep = 0.0 if self._last_s is None else np.exp(-(time_s - self._last_s) / MEMORY_S)
        self._usual = keep * self._usual + (1 - keep) * present
        self._last_s = time_s


class _Neighbours:
    """What each stage can know of the signals ahead and behind: the last four of ``STAGE_FEATURES``."""

    def __init__(self, network: Network, between: Sequence[Feed], serves: Floats, lanes: Floats) -> None:
        place = {name: s for s, name in enumerate(network.signals)}
        self._ends = np.array([(place[feed.behind], place[feed.signal]) for feed in between], np.int64).reshape(-1, 2).T
        self._movements = np.zeros((2, len(between), lanes.shape[1]))  # that depart, and that arrive
        for f, feed in enumerate(between):
            self._movements[0, f, list(feed.departs)] = 1.0
            self._movements[1, f, list(feed.arrives)] = 1.0
        self._serves = serves
        self._lanes = lanes[self._ends] * self._movements
        self._lanes /= self._lanes.sum(axis=2, keepdims=True)
        whole = serves * lanes[:, None]
        share = whole / np.maximum(whole.sum(axis=2, keepdims=True), 1.0)
        # of the lanes of each stage at an end those that belong to the feed, shape [2, feeds, MAX_STAGES]
        self._share = np.einsum("efkm,efm->efk", share[self._ends], self._movements)
        self._touches = (self._share > 0).astype(float)
        self._onto = (self._ends[:, None] == np.arange(len(place))[:, None]).astype(float)  # [ends, signals, feeds]
        self._exists = serves.any(axis=2)

    def look(self, stages: Sequence[int], standing: Floats) -> Floats:
        """Features of shape ``[signals, MAX_STAGES, 4]`` from stages now and standing vehicles per movement."""
        green = self._serves[np.arange(len(stages)), stages]
        flows = (green[self._ends] * self._lanes).sum(axis=2)  # share of a feed's lanes that is green at each end
        queues = (standing[self._ends] * self._movements).sum(axis=2)
        ahead_standing, behind_standing = self._onto @ (self._touches * queues[::-1, :, None] / VEHICLES)
        shut = self._onto[0] @ (self._share[0] * (1 - flows[1])[:, None])
        sending = self._onto[1] @ (self._share[1] * flows[0][:, None])
        shares = np.stack([self._exists * (1 - shut), sending]).clip(0, 1)
        return np.stack([ahead_standing, shares[0], behind_standing, shares[1]], axis=-1)


def _places(lengths: Sequence[int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where the items of lists of such lengths, one after the other, stand in a padded array: (list, place in it)."""
    rows = np.repeat(np.arange(len(lengths)), lengths)
    return rows, np.concatenate([np.arange(length) for length in lengths])
