from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ci_server.domain.job import CPUS, MEMORY_BYTES, SECONDS, JobSpec
from ci_server.intake.values import (
    Cpus,
    Glob,
    Image,
    Label,
    MemoryBytes,
    Pair,
    Priority,
    Seconds,
    WebAddress,
)
from problem_details import Fault, Problem

FILE = "file"
MOST_GLOBS = MOST_SECRETS = 100
LARGEST_SECRETS = 64 * 1024
"""Characters of all secrets of a job together: looking for them in a log takes time and memory."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What the fields of a form ask for; the secrets are apart, as they are stored apart."""

    spec: JobSpec
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    command: str | None = None
    image: Image | None = None
    timeout: Seconds = SECONDS
    memory: MemoryBytes = MEMORY_BYTES
    cpus: Cpus = CPUS
    priority: Priority = 0
    network: bool = False
    webhook: WebAddress | None = None
    artifacts: Annotated[tuple[Glob, ...], Field(max_length=MOST_GLOBS)] = ()
    branch: Label | None = None
    commit: Label | None = None
    env: tuple[Pair, ...] = ()
    secrets: Annotated[tuple[Pair, ...], Field(max_length=MOST_SECRETS)] = Field(default=(), repr=False)

    @model_validator(mode="after")
    def _names_stand_once(self) -> "_Form":
        times = Counter(name for name, _ in (*self.env, *self.secrets))
        if repeated := [name for name, count in times.items() if count > 1]:
            raise ValueError(f"among env and secrets {repeated[0][:100]} stands more than once")
        if sum(len(value) for _, value in self.secrets) > LARGEST_SECRETS:
            raise ValueError(f"the secrets have more than {LARGEST_SECRETS:,} characters together")
        return self

    def submission(self) -> Submission:
        told: dict[str, Any] = self.model_dump(exclude={"env", "secrets"})
        return Submission(JobSpec(**told, env=dict(self.env)), dict(self.secrets))


FIELDS = (FILE, *_Form.model_fields)
_REPEATED = frozenset({"artifacts", "env", "secrets"})


def submission_of(values: Iterable[tuple[str, str]]) -> Submission:
    """What the fields of a form ask for, but for the file. Values of nothing but spaces are as not there.

    Raises Problem (422), with the faults and no values in it.
    """
    told = dict[str, list[str]]()
    for name, value in values:
        if value.strip():
            told.setdefault(name, []).append(value)
    if faults := [fault for name, texts in told.items() for fault in _faults_of(name, texts)]:
        raise not_acceptable(faults)
    try:
        form = _Form.model_validate({n: texts if n in _REPEATED else texts[0] for n, texts in told.items()})
    except ValidationError as error:
        raise not_acceptable([_fault(entry) for entry in error.errors(include_url=False)]) from None
    return form.submission()


def unknown_field(name: str) -> Fault:
    return Fault(_pointer([name[:100]]), f"There is no such field; the fields are {', '.join(FIELDS)}")


def not_acceptable(faults: Sequence[Fault]) -> Problem:
    """422, for values of a form."""
    count = "One value is" if len(faults) == 1 else f"{len(faults)} values are"
    detail = f"{count} not acceptable: {faults[0].path}: {faults[0].reason}"
    return Problem(422, "Request not valid", detail, slug="request-not-valid", errors=faults)


def _faults_of(name: str, texts: Sequence[str]) -> Iterable[Fault]:
    if name not in FIELDS:
        yield unknown_field(name)
    elif len(texts) > 1 and name not in _REPEATED:
        yield Fault(_pointer([name]), "The field stands there more than once")
    elif any("\0" in text for text in texts):
        yield Fault(_pointer([name]), "A value must not hold U+0000")


def _fault(entry: Mapping[str, Any]) -> Fault:
    return Fault(_pointer(entry["loc"]), str(entry["msg"]).removeprefix("Value error, "))


def _pointer(location: Sequence[object]) -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in location)
    return "".join(f"/{part}" for part in ("body", *parts))
