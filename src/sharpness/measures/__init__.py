"""Definitions of sharpness, their perturbation sets and objectives, and their estimators."""
