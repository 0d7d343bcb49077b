"""What a submission looks like, for OpenAPI: it is read by `ci_server.intake`, and not by the framework."""

from typing import Any

from ci_server.domain.job import CPUS, MEMORY_BYTES, SECONDS

_TEXT: dict[str, Any] = {"type": "string"}


def _repeated(description: str) -> dict[str, Any]:
    return {"type": "array", "items": _TEXT, "description": description}


_PROPERTIES: dict[str, Any] = {
    "file": _TEXT
    | {
        "format": "binary",
        "contentMediaType": "application/zip",
        "description": "a zip with `tests/` and `requirements.txt` or `pyproject.toml` at its root",
    },
    "command": _TEXT | {"description": "a shell line instead of pytest, run in the unpacked project"},
    "image": _TEXT | {"description": "the image of the container, if jobs run in containers"},
    "timeout": {
        "type": "integer",
        "minimum": 1,
        "maximum": 86400,
        "default": SECONDS,
        "description": "seconds, from the start of an attempt",
    },
    "memory": {
        "type": ["integer", "string"],
        "default": MEMORY_BYTES,
        "description": "bytes, or with a unit: `512M`, `1GiB`",
    },
    "cpus": {"type": "number", "minimum": 0.1, "maximum": 256, "default": CPUS},
    "priority": {
        "type": "integer",
        "minimum": -100,
        "maximum": 100,
        "default": 0,
        "description": "among your own jobs; the highest first",
    },
    "network": {
        "type": "boolean",
        "default": False,
        "description": "whether the tests may use a network, as the installation always may",
    },
    "webhook": _TEXT | {"format": "uri", "description": "is sent the job at its end, signed"},
    "artifacts": _repeated("globs of files to keep, relative to the project"),
    "branch": _TEXT,
    "commit": _TEXT,
    "env": _repeated("`NAME=value`"),
    "secrets": _repeated("`NAME=value`; as `env`, and masked in the log"),
}

FORM: dict[str, Any] = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": _PROPERTIES,
        "additionalProperties": False,
    },
    "encoding": {
        name: {"style": "form", "explode": True}
        for name, field in _PROPERTIES.items()
        if field["type"] == "array"
    },
}
"""The content of the body, as OpenAPI has it."""
