"""Simulate subjects over seeds and compare them."""

from greenband.evaluation.planned import settled
from greenband.evaluation.results import PlaceResult, Result, SubjectResult, load, save
from greenband.evaluation.runner import distinct, evaluate, fits
from greenband.evaluation.seeds import parse_seeds
from greenband.evaluation.subjects import Subject, resolve

__all__ = [
    "PlaceResult",
    "Result",
    "Subject",
    "SubjectResult",
    "distinct",
    "evaluate",
    "fits",
    "load",
    "parse_seeds",
    "resolve",
    "save",
    "settled",
]
