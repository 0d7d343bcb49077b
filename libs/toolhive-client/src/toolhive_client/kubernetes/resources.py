"""The resources of ToolHive's operator: github.com/stacklok/toolhive, cmd/thv-operator/api.

Fields that are not named here may hold secrets.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints

from toolhive_client.models import UNKNOWN, Workload
from toolhive_client.reading.harmless_text import LONGEST_NAME, is_name, word, words
from toolhive_client.reading.url_cleaning import clean_image, clean_url

API_GROUP = "toolhive.stacklok.dev"
VERSIONS = ("v1beta1", "v1alpha1")
"""In the order in which they are asked for."""

STATUS_OF_PHASE: Mapping[str, str] = {
    "Pending": "starting",
    "Ready": "running",
    "Running": "running",  # Of a server, before there was Ready.
    "Valid": "running",  # Of an entry, which runs nothing: what it leads to may be used.
    "Failed": "error",
    "Terminating": "stopping",
    "Stopped": "stopped",
}
"""The phases of all kinds in the words of ToolHive's API server; any other one is unknown."""


class Kind(NamedTuple):
    """A kind of resource that is a workload; `plural` is what paths call it."""

    name: str
    plural: str
    remote: bool


KINDS = (
    Kind("MCPServer", "mcpservers", remote=False),
    Kind("MCPRemoteProxy", "mcpremoteproxies", remote=True),
    Kind("MCPServerEntry", "mcpserverentries", remote=True),
)
"""Where several kinds have a resource of one name in one namespace, the name is that of the first."""

# kubernetes.io/docs/concepts/overview/working-with-objects/names
_Name = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$", max_length=LONGEST_NAME)
]
_Namespace = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]


class _Read(BaseModel):
    model_config = ConfigDict(strict=True)


class _Metadata(_Read):
    name: _Name
    namespace: _Namespace


class _GroupRef(_Read):
    name: str | None = None


class _Spec(_Read):
    """Each field under its names in both versions."""

    image: str | None = None
    remote_url: str | None = Field(default=None, validation_alias=AliasChoices("remoteUrl", "remoteURL"))
    transport: str | None = None
    proxy_mode: str | None = Field(default=None, alias="proxyMode")
    group_ref: _GroupRef | str | None = Field(default=None, alias="groupRef")
    tools: list[str] | None = Field(default=None, validation_alias=AliasChoices("tools", "toolsFilter"))

    @property
    def group(self) -> str | None:
        name = self.group_ref.name if isinstance(self.group_ref, _GroupRef) else self.group_ref
        return word(name, LONGEST_NAME)


class _Status(_Read):
    phase: str | None = None
    url: str | None = None


class _Resource(_Read):
    metadata: _Metadata
    spec: _Spec | None = None
    status: _Status | None = None


def read_workload(kind: Kind, item: Any) -> Workload:
    """A resource as a workload. Raises ValidationError where it has no name, or a field of another type."""
    resource = _Resource.model_validate(item)
    spec, status = resource.spec or _Spec(), resource.status or _Status()
    return Workload(
        name=resource.metadata.name,
        namespace=resource.metadata.namespace,
        status=STATUS_OF_PHASE.get(status.phase or "", UNKNOWN),
        remote=kind.remote,
        transport=word(spec.transport),
        proxy_mode=word(spec.proxy_mode),
        url=clean_url(status.url) if status.url else None,
        image=clean_image(spec.image) if spec.image and not kind.remote else None,
        upstream_url=clean_url(spec.remote_url) if spec.remote_url and kind.remote else None,
        group=spec.group,
        tools=words(spec.tools),
    )


def full_name_in(item: Any) -> str | None:
    """The name of a resource that cannot be read, if at least that can be."""
    match item:
        case {"metadata": {"namespace": str(space), "name": str(name)}} if is_name(space) and is_name(name):
            return f"{space}/{name}"
        case {"metadata": {"name": str(name)}} if is_name(name):
            return name
        case _:
            return None
