"""How pastina is made: pictures, autoencoder, denoiser, export and evaluation; not shipped in the wheel."""
