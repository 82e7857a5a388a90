"""Timing plans: their model, methods that make them, and distillation."""
