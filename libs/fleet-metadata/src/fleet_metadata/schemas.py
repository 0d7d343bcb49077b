"""What the routes and the tools answer, as their documentation has it; the answers themselves are bytes already."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fleet_metadata.collection.selection import Selection
from fleet_metadata.collection.taken import Status
from fleet_metadata.key import ValueType


class KeySchema(BaseModel):
    """`values` are those of an enum; without `nullable` there is a value at all times."""

    type: ValueType
    values: list[str] = []
    description: str
    include_in_list: bool = Field(alias="includeInList")
    nullable: bool = False


class Entry(BaseModel):
    """A value, of the type that `schema` tells."""

    value: Any
    key_schema: KeySchema = Field(alias="schema")


class CollectorState(BaseModel):
    """How it stands with a collector: how long its last collection took, and how old its values are."""

    name: str
    status: Status
    duration_ms: float
    age_seconds: float | None
    error: str = ""


class Meta(BaseModel):
    """`truncated` names what was cut or left out for its size."""

    version: Literal["1.0"]
    collected_at: str
    collectors: list[CollectorState]
    truncated: list[str]


class MetadataAnswer(BaseModel):
    data: dict[str, Entry]
    meta: Meta


class MetadataQuery(BaseModel):
    """Which keys are wanted: those that meet every condition that is given."""

    model_config = ConfigDict(extra="forbid", validate_by_alias=True)

    prefix: Annotated[
        str | None, Field(max_length=256, description="what their names begin with", examples=["git_"])
    ] = None
    keys: Annotated[
        str | None,
        Field(
            max_length=4096,
            description="their names, with commas between",
            examples=["git_branch,git_status"],
        ),
    ] = None
    list_only: Annotated[
        bool, Field(alias="list", description="only those that belong into a list of workspaces")
    ] = False

    def selection(self) -> Selection:
        names = None if self.keys is None else frozenset(name.strip() for name in self.keys.split(","))
        return Selection(self.prefix, names, self.list_only)


class KeyQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Annotated[
        Literal["json", "text"] | None, Field(description="text: the bare value, in one line")
    ] = None


class Health(BaseModel):
    status: Literal["ok"]
