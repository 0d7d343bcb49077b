"""Registries in the format of the MCP registry: github.com/modelcontextprotocol/registry, `server.json`."""

import re
from collections.abc import Generator, Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolhive_client.models import RegistryServer
from toolhive_client.reading.harmless_text import is_name, line, word, words
from toolhive_client.reading.unreadable import Strange, Unreadable, log_unreadable, name_in
from toolhive_client.reading.url_cleaning import clean_image, clean_url
from toolhive_client.reading.versions import Version
from toolhive_client.registry.page import Found, Page

_PUBLISHER = "io.modelcontextprotocol.registry/publisher-provided"
_OFFICIAL = "io.modelcontextprotocol.registry/official"
_TAG_OR_DIGEST = re.compile(r"[:@][^/]*$")
_MOST_PLACES = 100


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class _Transport(_Strict):
    type: str | None = None
    url: str | None = None


class _Package(_Strict):
    registry_type: str | None = Field(None, alias="registryType")
    identifier: str | None = None
    version: str | None = None
    transport: _Transport | None = None


class _Repository(_Strict):
    url: str | None = None


class _Server(_Strict):
    name: str
    title: str | None = None
    description: str | None = None
    version: str | None = None
    repository: _Repository | None = None
    packages: list[_Package] | None = None
    remotes: list[_Transport] | None = None
    meta: dict[str, Any] | None = Field(None, alias="_meta")

    @property
    def containers(self) -> list[_Package]:
        return [package for package in self.packages or () if package.registry_type == "oci"]


class _Extension(_Strict):
    """What ToolHive adds to a package or a remote."""

    status: str | None = None
    tier: str | None = None
    tags: list[str] | None = None
    tools: list[str] | None = None


class _Metadata(_Strict):
    total: int | None = None
    cursor: str | None = Field(None, alias="nextCursor")


class _Servers(_Strict):
    servers: list[Any] | None
    metadata: _Metadata | None = None


def read_upstream_page(document: Any) -> Page:
    """The versions of servers on this page. Raises Strange."""
    try:
        told = _Servers.model_validate(document)
    except ValidationError:
        raise Strange from None
    found: list[Found] = []
    unreadable: list[Unreadable] = []
    for position, item in enumerate(told.servers or ()):
        server, meta = _parts(item)
        if version := _found(server, meta):
            found.append(version)
        else:
            unreadable.append(Unreadable(position, name_in(server)))
    log_unreadable("registry", unreadable)
    metadata = told.metadata or _Metadata.model_validate({})
    return Page(tuple(found), len(unreadable), metadata.total, metadata.cursor or None)


def _parts(item: Any) -> tuple[Any, Any]:
    """A server, and what the registry says of it, which is beside the server or in it."""
    match item:
        case {"server": server}:
            return server, item.get("_meta")
        case _:
            return item, None


def _found(item: Any, meta: Any) -> Found | None:
    try:
        told = _Server.model_validate(item)
    except ValidationError:
        return None
    if not is_name(told.name):
        return None
    officially = _member(meta, _OFFICIAL) or _member(told.meta, _OFFICIAL)
    is_latest = _member(officially, "isLatest") is True
    return Found(_server(told, officially), Version.parse(told.version or ""), is_latest)


def _server(told: _Server, officially: Any) -> RegistryServer:
    remotes = told.remotes or []
    extension = _extension(told)
    status = _member(officially, "status")
    transports = (*(package.transport for package in told.containers), *remotes)
    return RegistryServer(
        name=told.name,
        images=_each(_image(package) for package in told.containers),
        urls=_each(clean_url(remote.url) if remote.url else None for remote in remotes),
        title=line(told.title),
        description=line(told.description),
        transport=next((word(transport.type) for transport in transports if transport), None),
        status=word(extension.status) or (word(status) if isinstance(status, str) else None),
        tier=word(extension.tier),
        repository_url=clean_url(told.repository.url) if told.repository and told.repository.url else None,
        tags=words(extension.tags),
        tools=words(extension.tools),
    )


def _image(package: _Package) -> str | None:
    """The image of a package, whose version is the tag where the identifier has none."""
    name = package.identifier or ""
    tagged = name if _TAG_OR_DIGEST.search(name) or not package.version else f"{name}:{package.version}"
    return (clean_image(tagged) or clean_image(name)) if name else None


def _each(texts: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))[:_MOST_PLACES]


def _extension(told: _Server) -> _Extension:
    """The first that there is for one of the packages or remotes; it is nobody's duty to have one."""
    places = {
        *(package.identifier for package in told.containers),
        *(remote.url for remote in told.remotes or ()),
    }
    for place, item in _extensions(told.meta):
        if place in places:
            try:
                return _Extension.model_validate(item)
            except ValidationError:
                continue
    return _Extension()


def _extensions(meta: Any) -> Generator[tuple[str, Any]]:
    publishers = _member(meta, _PUBLISHER)
    for publisher in publishers.values() if isinstance(publishers, dict) else ():
        if isinstance(publisher, dict):
            yield from publisher.items()


def _member(item: Any, name: str) -> Any:
    return item.get(name) if isinstance(item, dict) else None
