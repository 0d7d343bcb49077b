"""Reads MCP workloads and registries from ToolHive: from its API server, or from its Kubernetes operator."""

from toolhive_client.client import ToolhiveClient
from toolhive_client.discovery.search import Places
from toolhive_client.errors import (
    RegistryUnavailable,
    ToolhiveError,
    ToolhiveNotFound,
    ToolhiveTimeout,
    ToolhiveUnavailable,
    WorkloadNotFound,
)
from toolhive_client.kubernetes.client import KubernetesClient
from toolhive_client.models import Listing, Registry, RegistryServer, Workload, WorkloadDetails
from toolhive_client.reading.url_cleaning import clean_url

__all__ = [
    "KubernetesClient",
    "Listing",
    "Places",
    "Registry",
    "RegistryServer",
    "RegistryUnavailable",
    "ToolhiveClient",
    "ToolhiveError",
    "ToolhiveNotFound",
    "ToolhiveTimeout",
    "ToolhiveUnavailable",
    "Workload",
    "WorkloadDetails",
    "WorkloadNotFound",
    "clean_url",
]
