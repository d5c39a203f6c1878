"""What all sections have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


Fraction = Annotated[float, Field(gt=0, lt=1)]


Positive = Annotated[int, Field(gt=0)]


NotNegative = Annotated[float, Field(ge=0)]


AboveZero = Annotated[float, Field(gt=0)]


Below1 = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """A group of settings; unknown keys are errors, so that a typo never trains silently."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
