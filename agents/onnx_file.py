"""Policies as ONNX files, for programs without Python or torch.

Input ``observations``, float32 of shape ``[n, OBSERVATION_SIZE]`` as ``greenband.observation`` lays them out; outputs
``scores``, float32 of shape ``[n, MAX_STAGES]``, and ``stage``, int64 of shape ``[n]``, the best-scored allowed stage;
or, of a policy that adjusts plans, ``adjustments``, float32 of shape ``[n, ADJUSTMENTS]``, see
``greenband.plan.adaptive``.
The policy's card is in the file's metadata under ``card``. What the policy knows of the period, its wait limit, is not
in observations: where that differs there is a file for each period.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import nn

from greenband.agents.learned import CARD, load_policy
from greenband.agents.networks import StageScorer
from greenband.errors import BadInput
from greenband.files import write_bytes
from greenband.observation import OBSERVATION_SIZE

__all__ = ["write_onnx"]


class _Decision(nn.Module):
    """Scores, and the stage that ``LearnedController`` would choose by them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores = self.network(observations)
        return scores, scores.argmax(dim=1)


def write_onnx(folder: Path, path: Path) -> list[Path]:
    """Write the policy that ``folder`` holds into one ONNX file, ``path``.

    One whose wait limit differs by period is written into a file for each, ``NAME.PERIOD.onnx`` beside it. Returns the
    files; if one cannot be made, none is written.

    Raises:
        BadInput: the folder holds no policy of this version, a period's name cannot be part of a file's, or the
            packages of the extra ``onnx`` are missing.
    """
    network = load_policy(folder).network
    card = (folder / CARD).read_text(encoding="utf-8")
    made: dict[Path, bytes] = {}
    if isinstance(network, StageScorer) and isinstance(network.wait_limit_s, Mapping):
        for period in network.wait_limit_s:
            if not re.fullmatch(r"[\w-]+", period):  # it may come from elsewhere and lead elsewhere
                raise BadInput(f"{folder}: the period {period!r} of its wait limits cannot be part of a file's name")
            network.period = period
            made[path.with_suffix(f".{period}{path.suffix}")] = _model(network, card)
    else:
        made[path] = _model(network, card)
    for file, model in made.items():
        write_bytes(file, model)
    return list(made)


def _model(network: nn.Module, card: str) -> bytes:
    """The ONNX file of a network, whose card goes into its metadata.

    Raises:
        BadInput: packages are missing.
    """
    try:
        import onnxscript  # noqa: F401  torch's exporter needs both, and would say so by a traceback
        from onnx import StringStringEntryProto
    except ImportError as error:
        raise BadInput(f'ONNX needs more packages: pip install "greenband[onnx]" ({error})') from error
    scores = isinstance(network, StageScorer)
    example = torch.zeros(2, OBSERVATION_SIZE)
    with _silent():
        program = torch.onnx.export(
            (_Decision(network) if scores else network).eval(),
            (example,),
            input_names=["observations"],
            output_names=["scores", "stage"] if scores else ["adjustments"],
            dynamic_shapes={"observations": {0: torch.export.Dim("n", min=1)}},
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    model.metadata_props.append(StringStringEntryProto(key="card", value=card))
    return bytes(model.SerializeToString())


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """The exporter tells of its steps on stdout and warns of its own parts."""
    level = logging.root.manager.disable
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(level)
