"""aldente: diffusion images, cooked just right."""
