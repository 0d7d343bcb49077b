"""What Kubernetes is told to make."""

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci_server.runners.container.configuration import ENVIRONMENT, HOME, JOB, LABEL, TEMPORARY
from ci_server.runners.kubernetes import pod_main

RUN_LABEL, NETWORK_LABEL, ENVIRONMENT_LABEL = f"{LABEL}/run", f"{LABEL}/network", f"{LABEL}/environment"
TASK = "/task"
GRACE_SECONDS = 30
"""From the request to end to the kill, where nobody says less."""
TEMPORARY_SPACE = "10Gi"
ENTRY = """python=$(command -v python3 || command -v python) || {
  echo "There is no Python in this image." >&2; exit 127; }
exec "$python" -I -S -c "$0"
"""


@dataclass(frozen=True, slots=True)
class JobSettings:
    """What is of one Job, and of no other."""

    name: str
    labels: Mapping[str, str]
    image: str
    memory: int
    """In bytes, as `most_memory`."""
    most_memory: int
    cpus: float
    seconds: int
    """How long it may take."""
    claim: str
    """The volume claim whose root is CI_DATA_DIR."""
    job: str
    """What the pod has as /job, relative to that."""
    environment: str
    """What it has as /environment."""
    installs: bool
    """Whether it may write to its environment."""
    user: tuple[int, int]


def secret(name: str, labels: Mapping[str, str], task: Mapping[str, Any]) -> dict[str, Any]:
    """Of what a pod is to do, with its variables."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": dict(labels)},
        "immutable": True,
        "data": {"task.json": base64.b64encode(json.dumps(task).encode()).decode()},
    }


def job(settings: JobSettings) -> dict[str, Any]:
    """Of one pod, which is never made again; its Secret has the same name."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": settings.name, "labels": dict(settings.labels)},
        "spec": {
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "activeDeadlineSeconds": settings.seconds,
            "template": {"metadata": {"labels": dict(settings.labels)}, "spec": _pod(settings)},
        },
    }


def _pod(settings: JobSettings) -> dict[str, Any]:
    user, group = settings.user
    space = {"emptyDir": {"sizeLimit": TEMPORARY_SPACE}}
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": group,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(settings)],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": settings.claim}},
            {"name": "task", "secret": {"secretName": settings.name, "defaultMode": 0o444}},
            {"name": "temporary", **space},
            {"name": "home", **space},
        ],
    }


def _container(settings: JobSettings) -> dict[str, Any]:
    cpus = f"{math.ceil(settings.cpus * 1000)}m"
    return {
        "name": "run",
        "image": settings.image,
        "command": ["/bin/sh", "-c", *map(_literal, (ENTRY, Path(pod_main.__file__).read_text()))],
        "workingDir": JOB,
        "resources": {
            "requests": {"memory": str(settings.memory), "cpu": cpus},
            "limits": {"memory": str(settings.most_memory), "cpu": cpus},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "data", "mountPath": JOB, "subPath": settings.job},
            {
                "name": "data",
                "mountPath": ENVIRONMENT,
                "subPath": settings.environment,
                "readOnly": not settings.installs,
            },
            {"name": "task", "mountPath": TASK, "readOnly": True},
            {"name": "temporary", "mountPath": TEMPORARY},
            {"name": "home", "mountPath": HOME},
        ],
    }


def _literal(text: str) -> str:
    """Kubernetes puts variables into what it is told to run: `$(NAME)`, and `$$` is a dollar."""
    return text.replace("$", "$$")
