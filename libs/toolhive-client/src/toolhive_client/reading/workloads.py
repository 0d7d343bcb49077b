"""What ToolHive's API server answers about workloads; fields that are not named here may hold secrets.

The list has `core.Workload` of its OpenAPI, the details have `createRequest`.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolhive_client.models import UNKNOWN, Listing, Workload, WorkloadDetails
from toolhive_client.reading.harmless_text import LONGEST_NAME, is_name, word, words
from toolhive_client.reading.json_document import document_in
from toolhive_client.reading.unreadable import Strange, Unreadable, log_unreadable, name_in
from toolhive_client.reading.url_cleaning import clean_image, clean_url

MOST_WORKLOADS = 10_000
"""In a list; to take in more at once would keep others waiting for long."""


class _Read(BaseModel):
    model_config = ConfigDict(strict=True)


class _Workloads(_Read):
    workloads: Annotated[list[Any], Field(max_length=MOST_WORKLOADS)] | None


class _Workload(_Read):
    name: str
    status: str | None = None
    remote: bool | None = None
    transport: str | None = Field(None, alias="transport_type")
    proxy_mode: str | None = None
    url: str | None = None
    package: str | None = None
    group: str | None = None
    tools: list[str] | None = None


class _Details(_Read):
    name: str | None = None
    image: str | None = None
    url: str | None = None
    transport: str | None = None
    proxy_mode: str | None = None
    group: str | None = None
    tools: list[str] | None = None


class _Groups(_Read):
    groups: list[Any] | None


class _Version(_Read):
    version: str


def read_workloads(body: bytes) -> Listing:
    """The answer to a listing, null being none. Raises Strange."""
    try:
        items = _Workloads.model_validate(document_in(body)).workloads or []
    except ValidationError:
        raise Strange from None
    workloads: dict[str, Workload] = {}
    unreadable: list[Unreadable] = []
    for position, item in enumerate(items):
        workload = _workload(item)
        if workload and workload.name not in workloads:
            workloads[workload.name] = workload
        else:
            unreadable.append(Unreadable(position, name_in(item)))
    log_unreadable("workloads", unreadable)
    return Listing(tuple(workloads.values()), len(unreadable))


def read_details(body: bytes, name: str) -> WorkloadDetails:
    """The details of the workload `name`. Raises Strange."""
    try:
        details = _Details.model_validate(document_in(body))
    except ValidationError:
        raise Strange from None
    if details.name and details.name != name:
        raise Strange
    return WorkloadDetails(
        name=name,
        image=clean_image(details.image) if details.image else None,
        url=clean_url(details.url) if details.url else None,
        transport=word(details.transport),
        proxy_mode=word(details.proxy_mode),
        group=word(details.group, LONGEST_NAME),
        tools=words(details.tools),
    )


def read_groups(body: bytes) -> tuple[str, ...]:
    """The names of the groups that have one. Raises Strange."""
    try:
        groups = _Groups.model_validate(document_in(body)).groups or []
    except ValidationError:
        raise Strange from None
    return words(name for group in groups if (name := name_in(group)))


def read_version(body: bytes) -> str:
    """The version of ToolHive. Raises Strange."""
    try:
        version = word(_Version.model_validate(document_in(body)).version)
    except ValidationError:
        raise Strange from None
    if version is None:
        raise Strange
    return version


def _workload(item: Any) -> Workload | None:
    try:
        told = _Workload.model_validate(item)
    except ValidationError:
        return None
    if not is_name(told.name):
        return None
    remote = told.remote or False
    return Workload(
        name=told.name,
        status=word((told.status or "").lower()) or UNKNOWN,
        remote=remote,
        transport=word(told.transport),
        proxy_mode=word(told.proxy_mode),
        url=clean_url(told.url) if told.url else None,
        image=clean_image(told.package) if told.package and not remote else None,
        group=word(told.group, LONGEST_NAME),
        tools=words(told.tools),
    )
