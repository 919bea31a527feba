"""What enlarges pictures: resamplers, and networks trained for it."""

from aldente.models.upscaling.port import Upscaler, UpscalerEntry, UpscalerInfo
from aldente.models.upscaling.table import find_upscaler, upscalers

__all__ = ["Upscaler", "UpscalerEntry", "UpscalerInfo", "find_upscaler", "upscalers"]
