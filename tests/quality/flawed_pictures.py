"""Pictures with known content and the flaws that are done to them."""

from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image as Pillow
from scipy import ndimage


def bytes_of(values):
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


@cache
def photograph():
    """A real photograph (the portrait that matplotlib ships), 384 x 400."""
    path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    with Pillow.open(path) as file:
        picture = np.asarray(file.convert("RGB"))[40:424, 40:440].copy()
    picture.setflags(write=False)
    return picture


@cache
def landscape():
    """A drawn picture: a sky gradient, a textured hill, a house with sharp edges, a little grain; 128 x 160."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:128, 0:160].astype(float)
    picture = np.stack([110 + 40 * y / 128, 140 + 30 * y / 128, 205 - 40 * y / 128], axis=2)
    texture = ndimage.gaussian_filter(rng.normal(size=(128, 160)), 1.2) * 40
    hill = y > 80 + 12 * np.sin(x / 25)
    picture[hill] = (np.array([80, 125, 70]) + texture[..., None])[hill]
    house = (abs(x - 100) < 24) & (y > 56) & (y < 104)
    picture[house] = [190, 140, 110]
    window = (abs(x % 20 - 10) < 5) & (abs(y - 76) < 7) & house
    picture[window] = [60, 70, 95]
    return bytes_of(ndimage.gaussian_filter(picture, (0.5, 0.5, 0)) + rng.normal(0, 0.8, picture.shape))


@cache
def emoji():
    """A subject on a white page, as pastina draws: a shaded disc with eyes; 64 x 64."""
    y, x = np.mgrid[0:64, 0:64].astype(float)
    picture = np.full((64, 64, 3), 255.0)
    disc = np.hypot(x - 32, y - 34) < 24
    picture[disc] = np.stack([225 - 0.8 * y, 150 - 0.9 * y, 60 + 0.3 * x], axis=2)[disc]
    for centre in (23, 41):
        picture[np.hypot(x - centre, y - 30) < 4] = [45, 30, 30]
    return bytes_of(ndimage.gaussian_filter(picture, (0.7, 0.7, 0)))


def saturated(image, factor):
    grey = (image @ [0.299, 0.587, 0.114])[..., None]
    return bytes_of(grey + factor * (image - grey))


def contrasted(image, factor):
    return bytes_of(128 + factor * (image.astype(float) - 128))


def brightened(image, factor):
    return bytes_of(image.astype(float) * factor)


def darkened(image, amount):
    return bytes_of(image.astype(float) - amount)


def noisy(image, sigma):
    return bytes_of(image + np.random.default_rng(0).normal(0, sigma, image.shape))


def blurred(image, sigma):
    return bytes_of(ndimage.gaussian_filter(image.astype(float), (sigma, sigma, 0)))


def sharpened(image, amount):
    return bytes_of(image + amount * (image - ndimage.gaussian_filter(image.astype(float), (1.5, 1.5, 0))))


def warmed(image, amount):
    return bytes_of(image * np.array([1 + amount, 1, 1 - amount]))


def latticed(image, amount):
    y, x = np.indices(image.shape[:2]) // 8
    return bytes_of(image + amount * (((x + y) % 2) * 2 - 1)[..., None])
