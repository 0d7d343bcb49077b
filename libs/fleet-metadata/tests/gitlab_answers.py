"""Answers of GitLab's REST API, in their full shape; see docs.gitlab.com/api."""

from typing import Any

Json = dict[str, Any]

SHA = "8888888888888888888888888888888888888888"
_AT = "2026-11-20T10:00:00.000Z"
_WEB = "https://gitlab.com"


def user(name: str = "root") -> Json:
    return {
        "id": 1,
        "username": name,
        "public_email": None,
        "name": name.title(),
        "state": "active",
        "locked": False,
        "avatar_url": None,
        "web_url": f"{_WEB}/{name}",
    }


def project(number: int, path: str, parent: Json | None = None) -> Json:
    """The project of that id and path; a fork, if it has a parent."""
    url = f"{_WEB}/{path}"
    forked = {"forked_from_project": parent, "mr_default_target_self": False} if parent else {}
    return {
        "id": number,
        "description": None,
        "name": path.rpartition("/")[2],
        "name_with_namespace": path.replace("/", " / "),
        "path": path.rpartition("/")[2],
        "path_with_namespace": path,
        "created_at": _AT,
        "default_branch": "main",
        "tag_list": [],
        "topics": [],
        "ssh_url_to_repo": f"git@gitlab.com:{path}.git",
        "http_url_to_repo": f"{url}.git",
        "web_url": url,
        "readme_url": f"{url}/-/blob/main/README.md",
        "forks_count": 0,
        "avatar_url": None,
        "star_count": 0,
        "last_activity_at": _AT,
        "visibility": "public",
        "namespace": {"id": 2, "name": "group", "path": "group", "kind": "group", "full_path": "group"},
        "merge_requests_enabled": True,
        "jobs_enabled": True,
        **forked,
    }


def pipeline(status: str = "success", number: int = 47, ref: str = "feat/one") -> Json:
    return {
        "id": number,
        "iid": number,
        "project_id": 1,
        "sha": SHA,
        "ref": ref,
        "status": status,
        "source": "push",
        "created_at": _AT,
        "updated_at": _AT,
        "web_url": f"{_WEB}/group/app/-/pipelines/{number}",
        "name": None,
    }


def merge_request(
    iid: int = 7, source: int | None = 1, target: int = 1, branch: str = "feat/one", **told: Any
) -> Json:
    """An open one from `branch` of the project with the id `source` into `main` of that with `target`."""
    return {
        "id": iid * 1000,
        "iid": iid,
        "project_id": target,
        "title": f"Change {iid}",
        "description": "",
        "state": "opened",
        "created_at": _AT,
        "updated_at": _AT,
        "merged_by": None,
        "merge_user": None,
        "merged_at": None,
        "closed_by": None,
        "closed_at": None,
        "target_branch": "main",
        "source_branch": branch,
        "user_notes_count": 0,
        "upvotes": 0,
        "downvotes": 0,
        "author": user(),
        "assignees": [],
        "assignee": None,
        "reviewers": [],
        "source_project_id": source,
        "target_project_id": target,
        "labels": [],
        "draft": False,
        "imported": False,
        "work_in_progress": False,
        "milestone": None,
        "merge_when_pipeline_succeeds": False,
        "merge_status": "can_be_merged",
        "detailed_merge_status": "mergeable",
        "merge_after": None,
        "sha": SHA,
        "merge_commit_sha": None,
        "squash_commit_sha": None,
        "discussion_locked": None,
        "should_remove_source_branch": None,
        "force_remove_source_branch": True,
        "prepared_at": _AT,
        "reference": f"!{iid}",
        "references": {"short": f"!{iid}", "relative": f"!{iid}", "full": f"group/app!{iid}"},
        "web_url": f"{_WEB}/group/app/-/merge_requests/{iid}",
        "time_stats": {"time_estimate": 0, "total_time_spent": 0},
        "squash": False,
        "task_completion_status": {"count": 0, "completed_count": 0},
        "has_conflicts": False,
        "blocking_discussions_resolved": True,
        "approvals_before_merge": None,
    } | told


def detail(request: Json, head_pipeline: Json | None) -> Json:
    """The same as it is told on its own."""
    return request | {
        "subscribed": False,
        "changes_count": "1",
        "latest_build_started_at": _AT,
        "first_deployed_to_production_at": None,
        "pipeline": head_pipeline,
        "head_pipeline": head_pipeline
        and head_pipeline | {"tag": False, "yaml_errors": None, "user": user()},
        "diff_refs": {"base_sha": SHA, "head_sha": SHA, "start_sha": SHA},
        "merge_error": None,
        "user": {"can_merge": False},
    }
