from pydantic import BaseModel, TypeAdapter

from fleet_metadata.collectors.forges.merge_request import MergeRequest
from fleet_metadata.collectors.forges.merge_request_search import project_path
from fleet_metadata.collectors.forges.rest_api import RestApi

PIPELINE_STATUSES = (
    *("created", "waiting_for_resource", "preparing", "waiting_for_callback", "pending", "running"),
    *("success", "failed", "canceling", "canceled", "skipped", "manual", "scheduled"),
)
"""GitLab's own words; see docs.gitlab.com, pipelines API."""


class _Pipeline(BaseModel):
    status: str


class _WithPipeline(BaseModel):
    head_pipeline: _Pipeline | None = None


_MERGE_REQUEST = TypeAdapter(_WithPipeline)
_PIPELINES = TypeAdapter(list[_Pipeline])


async def status_of_request(api: RestApi, request: MergeRequest) -> str | None:
    """What GitLab calls the state of its last commit's pipeline; None without one. Raises CollectionFailed."""
    path = f"/projects/{request.target_project_id}/merge_requests/{request.iid}"
    pipeline = (await (await api.get(path)).read(_MERGE_REQUEST)).head_pipeline
    return pipeline.status if pipeline else None


async def status_of_branch(api: RestApi, project: str, branch: str) -> str | None:
    """What GitLab calls the state of the branch's newest pipeline; None without one. Raises CollectionFailed."""
    answer = await api.get(f"{project_path(project)}/pipelines", {"ref": branch, "per_page": 1})
    pipelines = await answer.read(_PIPELINES)
    return pipelines[0].status if pipelines else None
