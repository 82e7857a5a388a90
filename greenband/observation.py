"""Measurement to arrays: one fixed layout for a signal of any shape.

Per stage, padded to ``MAX_STAGES`` rows, ``STAGE_FEATURES``; then ``SIGNAL_FEATURES`` once. All values are brought to
about [0, 1] by fixed scales, which policies have on their cards. The first feature of each stage is the action mask, so
that every learner has it with the observation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

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
STAGES_SIZE = MAX_STAGES * len(STAGE_FEATURES)
OBSERVATION_SIZE = STAGES_SIZE + len(SIGNAL_FEATURES)
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
    Every decision of a training waits for this: values are put in place through indices made once, with few calls.

    Raises:
        BadInput: a signal has more than ``MAX_STAGES`` stages.
    """

    def __init__(self, network: Network, limits: Mapping[str, Limits]) -> None:
        signals = list(network.signals.values())
        for signal in signals:
            if (n := len(signal.stages)) > MAX_STAGES:
                raise BadInput(f"signal {signal.id} has {n} stages; observations hold at most {MAX_STAGES}")
        self._names = list(network.signals)
        width = max(len(signal.movements) for signal in signals)
        self._serves = np.zeros((len(signals), MAX_STAGES, width))
        lanes = np.ones((len(signals), width))
        self._fixed = np.zeros((len(signals), OBSERVATION_SIZE), np.float32)
        table = _stages_of(self._fixed)
        for s, signal in enumerate(signals):
            lanes[s, : len(signal.movements)] = [len(movement.from_lanes) for movement in signal.movements]
            table[s, : len(signal.stages), 1] = 1.0
            table[s, : len(signal.stages), 10] = np.array(limits[signal.id].min_green_s) / GREEN_S
            for k, stage in enumerate(signal.stages):
                self._serves[s, k, list(stage.movements)] = 1.0
        per_lane = self._serves / lanes[:, None]
        self._per_lane = np.ascontiguousarray(per_lane.transpose(2, 0, 1))  # a maximum is found faster along the first
        table[..., 9] = (self._serves @ lanes[..., None])[..., 0] / LANES
        self._fixed[:, -1] = np.array([limits[signal.id].intergreen_s for signal in signals]) / INTERGREEN_S
        self._seen = np.zeros((len(signals), width, 3))  # approaching, standing, leaving per movement
        row, movement = _places([len(signal.movements) for signal in signals])
        self._at_movements = np.concatenate([(row * width + movement) * 3 + k for k in range(3)])  # in self._seen
        row, place = _places([len(signal.stages) for signal in signals])
        first = row * OBSERVATION_SIZE + place * len(STAGE_FEATURES)
        self._at_stages = np.concatenate([first, first + 3])  # in observations: allowed, red
        self._scales = np.repeat([1.0, RED_S], len(first))
        self._all = np.arange(len(signals))
        between = feeds(network)
        self._neighbours = _Neighbours(network, between, self._serves, lanes)
        self._platoons = Platoons(network, between, width)
        self.reset()

    def reset(self) -> None:
        """Forget the past run."""
        self._usual = np.zeros(self._serves.shape[:2])
        self._last_s: int | None = None
        self._platoons.reset()

    def encode(self, measurement: Measurement) -> Array:
        """Observations of all signals in the network's order, shape ``[signals, OBSERVATION_SIZE]``."""
        views = [measurement.signals[name] for name in self._names]
        stages = [view.stage for view in views]
        by_movement = [[v.approaching for v in views], [v.standing for v in views], [v.leaving for v in views]]
        self._seen.put(self._at_movements, np.concatenate([*chain(*by_movement)]))
        served = self._serves @ self._seen
        self._remember(measurement.time_s, served[..., 0] + served[..., 1])
        observations = self._fixed.copy()
        allowed, red_s = [view.allowed for view in views], [view.red_s for view in views]
        observations.put(self._at_stages, np.concatenate([*allowed, *red_s]) / self._scales)
        table = _stages_of(observations)
        table[self._all, stages, 2] = 1.0
        table[..., 4:6] = served[..., :2] / VEHICLES
        fullest = (self._per_lane * self._seen[..., 1].T[:, :, None]).max(axis=0)
        table[..., 6] = fullest / STAGE_SCALES["standing_per_lane"]
        table[..., 7] = served[..., 2] / VEHICLES
        table[..., 8] = self._usual / VEHICLES
        table[..., 11:14] = self._serves @ self._platoons.forecast(measurement.time_s, self._seen[..., 2]) / VEHICLES
        table[..., 14:18] = self._neighbours.look(stages, self._seen[..., 1])
        green = SIGNAL_SCALES["green"]
        observations[:, STAGES_SIZE:-1] = [(view.in_transition, view.green_s / green) for view in views]
        return observations

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
        self._all = np.arange(len(place))

    def look(self, stages: Sequence[int], standing: Floats) -> Floats:
        """Features of shape ``[signals, MAX_STAGES, 4]`` from stages now and standing vehicles per movement."""
        green = self._serves[self._all, stages]
        flows = (green[self._ends] * self._lanes).sum(axis=2)  # share of a feed's lanes that is green at each end
        queues = (standing[self._ends] * self._movements).sum(axis=2)
        features = np.empty((*self._exists.shape, 4))
        features[..., 0], features[..., 2] = self._onto @ (self._touches * queues[::-1, :, None] / VEHICLES)
        shut = self._onto[0] @ (self._share[0] * (1 - flows[1])[:, None])
        features[..., 1] = self._exists * (1 - shut)
        features[..., 3] = self._onto[1] @ (self._share[1] * flows[0][:, None])
        shares = features[..., 1::2]
        shares.clip(0, 1, out=shares)
        return features


def _stages_of(observations: Array) -> Array:
    """The part about stages of ``[n, OBSERVATION_SIZE]``, as ``[n, MAX_STAGES, features]`` of the same memory."""
    return observations[:, :STAGES_SIZE].reshape(-1, MAX_STAGES, len(STAGE_FEATURES))


def _places(lengths: Sequence[int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where the items of lists of such lengths, one after the other, stand in a padded array: (list, place in it)."""
    rows = np.repeat(np.arange(len(lengths)), lengths)
    return rows, np.concatenate([np.arange(length) for length in lengths])
