"""Registries in ToolHive's own format: servers by name, in two maps, and in groups of such maps."""

from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolhive_client.models import RegistryServer
from toolhive_client.reading.harmless_text import is_name, line, word, words
from toolhive_client.reading.unreadable import Strange, Unreadable, log_unreadable, name_in
from toolhive_client.reading.url_cleaning import clean_image, clean_url
from toolhive_client.registry.page import Found, Page

MOST_SERVERS, MOST_GROUPS = 20_000, 100
"""As many servers as there may be in pages."""


class _Maps(BaseModel):
    model_config = ConfigDict(strict=True)

    servers: dict[str, Any] | None = Field(None, max_length=MOST_SERVERS)
    remote_servers: dict[str, Any] | None = Field(None, max_length=MOST_SERVERS)
    groups: list[Any] | None = Field(None, max_length=MOST_GROUPS)


class _Server(BaseModel):
    """`registry.ImageMetadata` or `registry.RemoteServerMetadata` of ToolHive's OpenAPI."""

    model_config = ConfigDict(strict=True)

    image: str | None = None
    url: str | None = None
    title: str | None = None
    description: str | None = None
    transport: str | None = None
    status: str | None = None
    tier: str | None = None
    repository_url: str | None = None
    tags: list[str] | None = None
    tools: list[str] | None = None


def read_legacy_registry(document: Any) -> Page:
    """All servers; those of groups too, unless there is one of the same name outside. Raises Strange."""
    try:
        registry = _Maps.model_validate(document)
    except ValidationError:
        raise Strange from None
    servers = _servers(registry)
    groups: list[Unreadable] = []
    for position, group in enumerate(registry.groups or ()):
        try:
            maps = _Maps.model_validate(group)
        except ValidationError:
            groups.append(Unreadable(position, name_in(group)))
        else:
            servers = servers | {
                name: server for name, server in _servers(maps).items() if name not in servers
            }
    log_unreadable("registry groups", groups)
    unreadable = [
        Unreadable(position, name if is_name(name) else None)
        for position, (name, server) in enumerate(servers.items())
        if server is None
    ]
    log_unreadable("registry", unreadable)
    found = tuple(Found(server) for server in servers.values() if server is not None)
    return Page(found, len(groups) + len(unreadable))


def _servers(maps: _Maps) -> dict[str, RegistryServer | None]:
    """The servers of both maps, None for those that cannot be read.

    One that is in both is run from an image, and by others; it takes both to read it, as a part of it would pass
    for all of it.
    """
    servers: dict[str, RegistryServer | None] = {}
    for name, item in (*(maps.servers or {}).items(), *(maps.remote_servers or {}).items()):
        server = _server(name, item)
        servers[name] = _merged(servers[name], server) if name in servers else server
    return servers


def _server(name: str, item: Any) -> RegistryServer | None:
    try:
        told = _Server.model_validate(item)
    except ValidationError:
        return None
    if not is_name(name):
        return None
    image = clean_image(told.image) if told.image else None
    url = clean_url(told.url) if told.url else None
    return RegistryServer(
        name=name,
        images=(image,) if image else (),
        urls=(url,) if url else (),
        title=line(told.title),
        description=line(told.description),
        transport=word(told.transport),
        status=word(told.status),
        tier=word(told.tier),
        repository_url=clean_url(told.repository_url) if told.repository_url else None,
        tags=words(told.tags),
        tools=words(told.tools),
    )


def _merged(first: RegistryServer | None, second: RegistryServer | None) -> RegistryServer | None:
    if first is None or second is None:
        return None
    return replace(
        first,
        images=first.images + second.images,
        urls=first.urls + second.urls,
        title=first.title or second.title,
        description=first.description or second.description,
        transport=first.transport or second.transport,
        status=first.status or second.status,
        tier=first.tier or second.tier,
        repository_url=first.repository_url or second.repository_url,
        tags=words((*first.tags, *second.tags)),
        tools=words((*first.tools, *second.tools)),
    )
