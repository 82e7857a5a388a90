"""Networks over features of stages that are shared across junctions: scores of stages, adjustments of plans, values."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from greenband.errors import BadInput, UnknownName
from greenband.observation import MAX_STAGES, RED_S, SIGNAL_FEATURES, STAGE_FEATURES
from greenband.plan.adaptive import ADJUSTMENTS

__all__ = [
    "RULES",
    "CycleActor",
    "StageScorer",
    "StageValue",
    "WaitLimit",
    "linear_scores",
    "stage_features",
    "wait_limits",
]

WaitLimit = float | Mapping[str, float]  # s of red; by period if it is not the same in all

F, G = len(STAGE_FEATURES), len(SIGNAL_FEATURES)
FORBIDDEN = -1e8
HEADS = 4
URGENCY = 0.2  # of score, for each second beyond the wait limit
GAIN = 10.0  # of the linear path: features are small, and an optimiser moves all weights alike


class _Attention(nn.Module):
    """Lets the stages of a signal look at each other: one pre-norm transformer block (Vaswani 2017, Xiong 2020)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.before, self.after = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.look, self.gather = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.feed = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
        of_heads = torch.eye(HEADS).repeat_interleave(hidden // HEADS, dim=0)  # which units are which head's
        self.of_heads: torch.Tensor
        self.register_buffer("of_heads", of_heads, persistent=False)

    def forward(self, stages: torch.Tensor, exists: torch.Tensor) -> torch.Tensor:
        """``[batch, stages, hidden]`` to the same shape; none looks at another that does not exist."""
        hidden = stages.shape[2]
        query, key, value = self.look(self.before(stages)).split(hidden, dim=2)
        hide = (1 - exists[:, None, :, None]) * FORBIDDEN
        # stages are so few that every pair in full is faster than scaled_dot_product_attention on CPUs
        pairs = query[:, :, None] * key[:, None]
        looks = (pairs @ (self.of_heads * (hidden // HEADS) ** -0.5) + hide).softmax(2)
        stages = stages + self.gather((looks @ self.of_heads.T * value[:, None]).sum(2))
        fed: torch.Tensor = stages + self.feed(self.after(stages))
        return fed


class _StageEncoder(nn.Module):
    """Embeds each stage alike, whatever its number; with ``attends`` in view of the others, a competition of phases as
    in FRAP (Zheng 2019), by attention.
    """

    def __init__(self, hidden: int, attends: bool = True) -> None:
        super().__init__()
        if hidden < HEADS or hidden % HEADS:
            raise BadInput(f"hidden={hidden}: must be a multiple of {HEADS}")
        self.embed = nn.Sequential(nn.Linear(F + G, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
        self.attention = _Attention(hidden) if attends else None

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """``[batch, OBSERVATION_SIZE]`` to stage embeddings ``[batch, stages, hidden]``, 0 for those that do not exist.

        Stages are as many as the largest signal of the batch has: the rest would be padding.
        """
        stages = stage_features(observations)
        stages = stages[:, : _most(stages)]
        signal = observations[:, MAX_STAGES * F :].unsqueeze(1).expand(*stages.shape[:2], G)
        exists = stages[:, :, 1]
        embedded = self.embed(torch.cat([stages, signal], dim=2))
        if self.attention is not None:
            embedded = self.attention(embedded, exists)
        return embedded * exists.unsqueeze(2)


RULES: dict[str, tuple[dict[str, float], dict[str, float]]] = {  # weights, and those of the stage that is shown on top
    "hold": (
        {"approaching": 4.0, "standing": 4.0, "standing_per_lane": 4.0, "leaving": -2.0, "red": 6.0, "present": 1.5},
        {"approaching": 30.0, "standing": 20.0},  # a served queue is let through
    ),
    "wave": ({"approaching": 12.0, "standing": 12.0}, {}),
}


class StageScorer(nn.Module):
    """One score per stage (logits or Q values), ``FORBIDDEN`` where the mask is off.

    With a ``prior`` the untrained scores are those of a rule, through a linear path beside the network: learning starts
    from sensible traffic instead of gridlock. ``hold`` is a soft max-pressure that holds a green while vehicles come to
    it and minds who waited long; ``wave`` is max-wave, most vehicles in sight, which suits short lost times and few
    vehicles. All of it is trained on. The linear path has weights of its own for the stage that is shown, since to hold
    a green is another question than to begin one.

    Beyond ``wait_limit_s`` of red (0: never) a stage at which vehicles stand gains on the others from second to second.
    What is learned cannot take that back: nobody is left waiting because few wait there. The limit may differ from
    period to period, as cycles do; then the network's ``period`` tells which is in force, and in one that has none, or
    none that is known, it is the shortest.

    A scorer may have several ``parts``, networks of one shape whose scores are added, see ``mixed``.
    """

    def __init__(
        self, hidden: int = 64, prior: str | None = None, wait_limit_s: WaitLimit = 0.0, parts: int = 1
    ) -> None:
        super().__init__()
        if parts < 1:
            raise BadInput(f"parts={parts}: must be at least 1")
        self.hidden, self.wait_limit_s = hidden, wait_limits(wait_limit_s)
        self.period: str | None = None
        self.encoder = _StageEncoder(hidden)
        self.score = nn.Linear(hidden, 1)
        self.linear = nn.Linear(2 * F, 1, bias=False)
        self.others = nn.ModuleList(StageScorer(hidden) for _ in range(parts - 1))
        with torch.no_grad():
            self.linear.weight.zero_()
            if prior is not None:
                self.score.weight.mul_(0.1)
                self.add_rule(1.0, prior)

    @property
    def parts(self) -> int:
        """How many networks it adds up."""
        return 1 + len(self.others)

    @classmethod
    def mixed(cls, shares: Mapping[StageScorer, float]) -> StageScorer:
        """Shares of the learned scores of several added up, with the wait limit of the first."""
        first = next(iter(shares))
        networks = [(part, share) for scorer, share in shares.items() for part in (scorer, *scorer.others)]
        mixture = cls(first.hidden, wait_limit_s=first.wait_limit_s, parts=len(networks))
        for mine, (theirs, share) in zip((mixture, *mixture.others), networks, strict=True):
            own = {name: value for name, value in theirs.state_dict().items() if not name.startswith("others.")}
            for name in ("score.weight", "score.bias", "linear.weight"):
                own[name] = share * own[name]
            mine.load_state_dict(own, strict=False)
        return mixture

    def add_rule(self, share: float, rule: str = "hold") -> None:
        """Add a share of a rule's scores, see ``prior``, to what has been learned.

        Raises:
            UnknownName: there is no such rule.
        """
        if rule not in RULES:
            raise UnknownName("prior", str(rule), list(RULES))
        with torch.no_grad():
            for begin, weights in zip((0, F), RULES[rule], strict=True):
                for name, weight in weights.items():
                    self.linear.weight[0, begin + STAGE_FEATURES.index(name)] += share * weight / GAIN

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """``[batch, OBSERVATION_SIZE]`` to scores ``[batch, MAX_STAGES]``."""
        scores = self.learned(observations)
        stages = stage_features(observations)
        if limit_s := self._limit_s():
            red, standing, present = (stages[:, :, STAGE_FEATURES.index(n)] for n in ("red", "standing", "present"))
            late = functional.relu(red * RED_S - limit_s)
            scores = scores + URGENCY * late * (standing > 0) * (1 - present)
        return torch.where(stages[:, :, 0] > 0.5, scores, torch.full_like(scores, FORBIDDEN))

    def _limit_s(self) -> float:
        """The one that is in force, 0 for none."""
        limits = self.wait_limit_s
        if not isinstance(limits, dict):
            return limits
        return limits.get(self.period or "", min(limits.values(), key=lambda limit_s: limit_s or math.inf))

    def learned(self, observations: torch.Tensor) -> torch.Tensor:
        """Scores of all stages by the weights alone: neither masked nor urged by the wait limit."""
        embedded: torch.Tensor = self.encoder(observations)
        stages = stage_features(observations)[:, : embedded.shape[1]]
        scores = _padded(self.score(embedded).squeeze(2) + linear_scores(stages, self.linear.weight))
        for other in self.others:
            assert isinstance(other, StageScorer)
            scores = scores + other.learned(observations)
        return scores


def wait_limits(limits: WaitLimit) -> float | dict[str, float]:
    """Wait limits as plain numbers in s, one for all periods or one by the name of each.

    Raises:
        BadInput: one is no number or below 0, or there is none.
    """
    each: Mapping[str, float] = limits if isinstance(limits, Mapping) else {"": limits}
    try:
        known = {str(period): float(limit_s) for period, limit_s in each.items()}
    except (TypeError, ValueError):
        known = {}
    if not known or not all(0 <= limit_s < math.inf for limit_s in known.values()):
        raise BadInput(f"wait_limit_s={limits}: must be at least 0 s, one for all periods or one for each")
    return known if isinstance(limits, Mapping) else known[""]


def linear_scores(stages: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Scores ``[batch, stages]`` of features ``[batch, stages, F]`` by weights ``[1, 2 F]``, see ``StageScorer``."""
    always, shown = functional.linear(stages, weights.reshape(2, F)).unbind(dim=2)
    return GAIN * (always + shown * stages[:, :, 2])


class CycleActor(nn.Module):
    """Adjustments of a signal's plan for a cycle, see ``greenband.plan.adaptive``; untrained next to none."""

    def __init__(self, hidden: int = 64) -> None:
        super().__init__()
        self.hidden = hidden
        self.encoder = _StageEncoder(hidden)
        self.split, self.common = nn.Linear(hidden, 1), nn.Linear(2 * hidden, ADJUSTMENTS - MAX_STAGES)
        with torch.no_grad():
            for layer in (self.split, self.common):
                layer.weight.mul_(0.01)
                layer.bias.zero_()

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """``[batch, OBSERVATION_SIZE]`` to ``[batch, ADJUSTMENTS]``, about -1 to 1."""
        embedded: torch.Tensor = self.encoder(observations)
        pooled = _pooled(embedded, observations)
        return torch.cat([_padded(self.split(embedded).squeeze(2)), self.common(pooled)], dim=1)


def stage_features(observations: torch.Tensor) -> torch.Tensor:
    """Features of the stages, ``[batch, MAX_STAGES, F]``."""
    return observations[:, : MAX_STAGES * F].reshape(-1, MAX_STAGES, F)


def _most(stages: torch.Tensor) -> int:
    """Places up to the last stage that a signal of the batch has; all of them in a graph that is exported."""
    if torch.compiler.is_exporting():
        return MAX_STAGES
    places = (stages[:, :, 1] > 0.5).any(dim=0).nonzero()
    return int(places[-1]) + 1 if len(places) else 1


def _pooled(embedded: torch.Tensor, observations: torch.Tensor) -> torch.Tensor:
    """Mean of a signal's stages, and the one that is shown, ``[batch, 2h]``."""
    stages = stage_features(observations)[:, : embedded.shape[1]]
    mean = embedded.sum(dim=1) / stages[:, :, 1].sum(dim=1, keepdim=True).clamp(min=1)
    present = (embedded * stages[:, :, 2:3]).sum(dim=1)
    return torch.cat([mean, present], dim=1)


def _padded(values: torch.Tensor) -> torch.Tensor:
    """``[batch, stages]`` to ``[batch, MAX_STAGES]``, 0 for stages that do not exist."""
    return functional.pad(values, (0, MAX_STAGES - values.shape[1]))


class StageValue(nn.Module):
    """State features for a value head: of all stages and the one shown, which need no competition to be summed up."""

    def __init__(self, hidden: int = 64) -> None:
        super().__init__()
        self.encoder = _StageEncoder(hidden, attends=False)
        self.head = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.ReLU())

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """``[batch, OBSERVATION_SIZE]`` to ``[batch, hidden]``."""
        pooled = _pooled(self.encoder(observations), observations)
        features: torch.Tensor = self.head(pooled)
        return features
