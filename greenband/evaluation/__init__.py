"""Simulate subjects over seeds and compare them."""
