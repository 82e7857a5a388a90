"""Networks that score stages from features shared across junctions, masked by what the interlock allows."""

from __future__ import annotations

import torch
from torch import nn

from greenband.observation import MAX_STAGES, SIGNAL_FEATURES, STAGE_FEATURES

__all__ = ["StageScorer", "StageValue"]

F, G = len(STAGE_FEATURES), len(SIGNAL_FEATURES)
FORBIDDEN = -1e8


class _StageEncoder(nn.Module):
    """Embeds each stage alike, whatever its number, and pools over the stages that exist (Deep Sets, Zaheer 2017)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(F + G, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())

    def forward(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """``[batch, OBSERVATION_SIZE]`` to stage embeddings ``[batch, stages, hidden]`` and pooled ``[batch, 2h]``."""
        batch = observations.shape[0]
        stages = observations[:, : MAX_STAGES * F].reshape(batch, MAX_STAGES, F)
        signal = observations[:, MAX_STAGES * F :].unsqueeze(1).expand(batch, MAX_STAGES, G)
        exists = stages[:, :, 1:2]
        embedded = self.embed(torch.cat([stages, signal], dim=2)) * exists
        mean = embedded.sum(dim=1) / exists.sum(dim=1).clamp(min=1)
        present = (embedded * stages[:, :, 2:3]).sum(dim=1)
        return embedded, torch.cat([mean, present], dim=1)


PRIOR = {"approaching": 4.0, "standing": 4.0, "standing_per_lane": 4.0, "leaving": -2.0, "red": 6.0, "present": 1.5}
HOLDING = {"approaching": 30.0, "standing": 20.0}  # for the stage that is shown, on top: a served queue is let through


class StageScorer(nn.Module):
    """One score per stage (logits or Q values), ``FORBIDDEN`` where the mask is off.

    With ``prior`` the untrained scores are those of a soft max-pressure rule that holds a green while vehicles come to
    it and minds who waited long, through a linear path beside the network: learning starts from sensible traffic
    instead of gridlock. All of it is trained on. The linear path has weights of its own for the stage that is shown,
    since to hold a green is another question than to begin one.
    """

    def __init__(self, hidden: int = 64, prior: bool = False) -> None:
        super().__init__()
        self.hidden = hidden
        self.encoder = _StageEncoder(hidden)
        last = nn.Linear(hidden, 1)
        self.score = nn.Sequential(nn.Linear(3 * hidden, hidden), nn.ReLU(), last)
        self.linear = nn.Linear(2 * F, 1, bias=False)
        with torch.no_grad():
            self.linear.weight.zero_()
            if prior:
                last.weight.mul_(0.1)
                for name, weight in PRIOR.items():
                    self.linear.weight[0, STAGE_FEATURES.index(name)] = weight
                for name, weight in HOLDING.items():
                    self.linear.weight[0, F + STAGE_FEATURES.index(name)] = weight

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """``[batch, OBSERVATION_SIZE]`` to scores ``[batch, MAX_STAGES]``."""
        embedded, pooled = self.encoder(observations)
        context = pooled.unsqueeze(1).expand(-1, MAX_STAGES, -1)
        stages = observations[:, : MAX_STAGES * F].reshape(-1, MAX_STAGES, F)
        shown = torch.cat([stages, stages * stages[:, :, 2:3]], dim=2)
        scores = (self.score(torch.cat([embedded, context], dim=2)) + self.linear(shown)).squeeze(2)
        allowed = observations[:, 0 : MAX_STAGES * F : F] > 0.5
        return torch.where(allowed, scores, torch.full_like(scores, FORBIDDEN))


class StageValue(nn.Module):
    """State features for a value head."""

    def __init__(self, hidden: int = 64) -> None:
        super().__init__()
        self.encoder = _StageEncoder(hidden)
        self.head = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.ReLU())

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """``[batch, OBSERVATION_SIZE]`` to ``[batch, hidden]``."""
        _, pooled = self.encoder(observations)
        features: torch.Tensor = self.head(pooled)
        return features
