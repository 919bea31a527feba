"""Schedules learned for one model, sampler, CFG and number of steps, and what proves them better than every known one."""
