"""Checkpoints in one file, as A1111 and ComfyUI keep them: opened without asking any network for configurations."""
