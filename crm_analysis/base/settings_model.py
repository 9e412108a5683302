"""What all settings are made of: the frozen model that guesses nothing, names, common kinds of numbers."""

import re
from datetime import date, datetime
from types import NoneType
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Days = Annotated[int, Field(ge=1)]


class Frozen(BaseModel):
    """Unknown names are refused; numbers and days are never guessed from text, numbers or true and false."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _of_its_kind(cls, value: Any, info: ValidationInfo) -> Any:
        wanted = _kinds(cls.model_fields[str(info.field_name)].annotation)
        items = value if isinstance(value, (list, tuple)) else [value]
        if wanted and wanted <= {int, float} and any(isinstance(item, (str, bool)) for item in items):
            raise PydanticCustomError("number_wanted", "a number is wanted")
        if wanted == {date} and not all(_is_day(item) for item in items):
            raise PydanticCustomError("day_wanted", "a day is wanted")
        return value


def _kinds(annotation: Any) -> set[Any]:
    """Return the plain types that an annotation ends in, "nothing" left out."""
    parts = [part for part in get_args(annotation) if isinstance(part, type) or get_args(part)]
    return set().union(*map(_kinds, parts)) if parts else {annotation} - {NoneType}


def _is_day(value: Any) -> bool:
    is_text = isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value.strip())
    return value is None or bool(is_text) or (isinstance(value, date) and not isinstance(value, datetime))


class Name(Frozen):
    """A name in both languages."""

    zh: str
    en: str
