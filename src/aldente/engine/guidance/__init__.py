"""Guidance: how strongly, where and in which way a prompt steers."""

from aldente.engine.guidance.combine import Combine, apg, cfg, rescaled, thresholded
from aldente.engine.guidance.guide import guided, interval

__all__ = ["Combine", "apg", "cfg", "guided", "interval", "rescaled", "thresholded"]
