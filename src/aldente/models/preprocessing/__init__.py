"""What makes a control picture out of any picture, without a model."""

from aldente.models.preprocessing.table import Preprocessor, find_preprocessor, preprocessors

__all__ = ["Preprocessor", "find_preprocessor", "preprocessors"]
