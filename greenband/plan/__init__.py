"""Timing plans: model, splits and distillation."""
