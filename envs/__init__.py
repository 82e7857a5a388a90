"""Faces of the control loop for learners: Gymnasium, PettingZoo and stable-baselines3."""
