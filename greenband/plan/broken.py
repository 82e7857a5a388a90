"""How the plan model says which rule a plan breaks by its very form, so that a check can report it as that rule."""

from __future__ import annotations

from pydantic_core import PydanticCustomError

__all__ = ["broken"]


def broken(rule: str, text: str, measured: object = "", required: object = "") -> PydanticCustomError:
    """The error to raise in a validator; ``rule`` is an id of ``greenband.plan.rules``."""
    context = {"text": text, "measured": str(measured), "required": str(required)}
    return PydanticCustomError(rule, "{text}", context)
