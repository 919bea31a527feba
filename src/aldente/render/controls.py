"""Control pictures: fetched, brought to what is drawn, prepared, and made hints that act for a share of the steps."""

from __future__ import annotations

from typing import Literal, NamedTuple, cast

from aldente.engine.errors import UserError
from aldente.models.port import Hint, Image, Model, Softening, Steerable
from aldente.models.preprocessing import find_preprocessor
from aldente.recipe.stages import Control
from aldente.render.cropping import Box, cut_out
from aldente.render.fitting import Size, fitted
from aldente.render.scene import Scene


class Steer(NamedTuple):
    """A hint with its weight, and the first and last share of the steps of its acting; ``both`` on the negative prompt too."""

    hint: Hint
    weight: float
    start: float = 0.0
    end: float = 1.0
    both: bool = True

    def acts(self, step: int, steps: int) -> bool:
        """Whether it acts at a step (from 0): the share of steps before it lies within start and end, as A1111 counts."""
        return self.weight > 0.0 and self.start <= step / steps <= self.end


def steerable(model: Model) -> Steerable:
    """The model as one that takes hints; its ``info`` says which."""
    return cast("Steerable", model)


def steers_of(scene: Scene, picture: Size, *, box: Box | None = None, size: Size | None = None) -> tuple[Steer, ...]:
    """The recipe's controls for a pass over a picture; over a ``box`` of it alone, drawn at ``size``.

    Each control picture is first brought to what is drawn and then prepared, so that its lines are as fine as the drawing; one
    to draw like is looked at as it is.
    Raises UserError where a preprocessor is not known or a file is missing.
    """
    part, drawn = box or Box(0, 0, *picture), size or picture
    return tuple(_steer(control, scene, picture, part, drawn) for control in scene.recipe.controls or () if control.weight > 0)


class Steering:
    """The recipe's controls over a picture that is drawn in tiles: brought to its size once, prepared for each tile."""

    def __init__(self, scene: Scene, picture: Size) -> None:
        self._model = scene.model
        self._controls = [
            (control, _refers(control, scene.model), _over_all(control, scene, picture))
            for control in scene.recipe.controls or ()
            if control.weight > 0
        ]

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._controls)

    def over(self, box: Box, *, wraps: bool) -> tuple[Steer, ...]:
        """What steers a tile; where it reaches beyond the picture, the picture begins anew (``wraps``) or its edge goes on."""
        return tuple(
            _prepared(control, whole if refers else _window(whole, box, wraps=wraps), self._model)
            for control, refers, whole in self._controls
        )


def _window(whole: Image, box: Box, *, wraps: bool) -> Image:
    beyond: Literal["wrap", "clip"] = "wrap" if wraps else "clip"
    rows = whole.take(range(box.top, box.bottom), axis=0, mode=beyond)
    part: Image = rows.take(range(box.left, box.right), axis=1, mode=beyond)
    return part


def _steer(control: Control, scene: Scene, picture: Size, box: Box, size: Size) -> Steer:
    whole = _over_all(control, scene, picture)
    return _prepared(control, whole if _refers(control, scene.model) else cut_out(whole, box, size), scene.model)


def _refers(control: Control, model: Model) -> bool:
    """Whether a control is a picture to draw like."""
    return control.type in model.info.references


def _over_all(control: Control, scene: Scene, picture: Size) -> Image:
    """A control's picture, brought to the size of what is drawn unless it is one to draw like."""
    given = scene.files(control.image)
    return given if _refers(control, scene.model) else fitted(given, picture, control.fit)


def _prepared(control: Control, picture: Image, model: Model) -> Steer:
    """What a control picture of the size that is drawn says."""
    hint = steerable(model).control(control.type, find_preprocessor(control.preprocessor).apply(picture))
    mode = control.mode or model.info.control_mode
    if mode != "balanced" and model.info.softens:
        hint = cast("Softening", model).softened(hint)
    return Steer(hint, control.weight, control.start, control.end, both=mode != "control")


def check_controls(controls: tuple[Control, ...], model: Model) -> None:
    """Raise UserError where a control is of a type that the model does not take."""
    known = model.info.controls
    for control in controls:
        if not known:
            raise UserError(
                f"control_type is '{control.type}', but model '{model.info.name}' takes no control pictures;"
                " unset control_image and all that belongs to it."
            )
        if control.type not in known:
            raise UserError(
                f"control_type is '{control.type}'; control_image of model '{model.info.name}' is one of: {', '.join(known)}."
            )
        if control.mode == "prompt" and (not model.info.softens or _refers(control, model)):
            raise UserError(
                f"control_mode is 'prompt', but the controls of model '{model.info.name}' act on everything alike; choose"
                " balanced or control."
            )
