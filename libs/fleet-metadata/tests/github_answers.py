"""Answers of GitHub's REST API, in their full shape; see docs.github.com/en/rest."""

from typing import Any

Json = dict[str, Any]

API = "https://api.github.com"
SHA = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
_AT = "2026-11-20T10:00:00Z"


def user(login: str, kind: str = "User") -> Json:
    url = f"{API}/users/{login}"
    below = (
        *("followers", "following{/other_user}", "gists{/gist_id}", "starred{/owner}{/repo}"),
        *("subscriptions", "orgs", "repos", "events{/privacy}", "received_events"),
    )
    return {
        "login": login,
        "id": _number(login),
        "node_id": "MDQ6VXNlcjE=",
        "avatar_url": "https://github.com/images/error/octocat_happy.gif",
        "gravatar_id": "",
        "url": url,
        "html_url": f"https://github.com/{login}",
        **{f"{name.partition('{')[0]}_url": f"{url}/{name}" for name in below},
        "type": kind,
        "user_view_type": "public",
        "site_admin": False,
    }


def repository(full_name: str, parent: str | None = None) -> Json:
    """As in a list or in a pull request; with `parent`, as it is told on its own if it is a fork."""
    owner, name = full_name.split("/")
    url = f"{API}/repos/{full_name}"
    below = ("pulls{/number}", "commits{/sha}", "statuses/{sha}", "issues{/number}", "branches{/branch}")
    relatives = {"parent": repository(parent), "source": repository(parent)} if parent else {}
    return {
        "id": _number(full_name),
        "node_id": "MDEwOlJlcG9zaXRvcnkxMjk2MjY5",
        "name": name,
        "full_name": full_name,
        "private": False,
        "owner": user(owner),
        "html_url": f"https://github.com/{full_name}",
        "description": "This your first repo!",
        "fork": parent is not None,
        "url": url,
        **{f"{each.partition('{')[0].strip('/')}_url": f"{url}/{each}" for each in below},
        "git_url": f"git:github.com/{full_name}.git",
        "ssh_url": f"git@github.com:{full_name}.git",
        "clone_url": f"https://github.com/{full_name}.git",
        "homepage": None,
        "language": None,
        "forks_count": 9,
        "stargazers_count": 80,
        "size": 108,
        "default_branch": "main",
        "open_issues_count": 0,
        "topics": ["octocat"],
        "archived": False,
        "disabled": False,
        "visibility": "public",
        "pushed_at": _AT,
        "created_at": _AT,
        "updated_at": _AT,
        "license": None,
        "permissions": {"admin": False, "push": False, "pull": True},
        **relatives,
    }


def branch_of(full_name: str, ref: str, sha: str = SHA) -> Json:
    """The head or the base of a pull request."""
    owner = full_name.split("/", maxsplit=1)[0]
    return {
        "label": f"{owner}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": user(owner),
        "repo": repository(full_name),
    }


def pull(number: int = 7, base: str = "octo/cat", head: Json | None = None, **told: Any) -> Json:
    """An open pull request into `main` of `base`; from its own branch `feat/one` unless `head` is given."""
    url = f"{API}/repos/{base}/pulls/{number}"
    return {
        "url": url,
        "id": number * 1000,
        "node_id": "MDExOlB1bGxSZXF1ZXN0MQ==",
        "html_url": f"https://github.com/{base}/pull/{number}",
        "diff_url": f"https://github.com/{base}/pull/{number}.diff",
        "patch_url": f"https://github.com/{base}/pull/{number}.patch",
        "issue_url": f"{API}/repos/{base}/issues/{number}",
        "commits_url": f"{url}/commits",
        "review_comments_url": f"{url}/comments",
        "statuses_url": f"{API}/repos/{base}/statuses/{SHA}",
        "number": number,
        "state": "open",
        "locked": False,
        "title": f"Change {number}",
        "user": user("octocat"),
        "body": "Please pull these awesome changes in!",
        "labels": [],
        "milestone": None,
        "active_lock_reason": None,
        "created_at": _AT,
        "updated_at": _AT,
        "closed_at": None,
        "merged_at": None,
        "merge_commit_sha": "e5bd3914e2e596debea16f433f57875b5b90bcd6",
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "head": head or branch_of(base, "feat/one"),
        "base": branch_of(base, "main"),
        "_links": {"self": {"href": url}, "html": {"href": f"https://github.com/{base}/pull/{number}"}},
        "author_association": "OWNER",
        "auto_merge": None,
        "draft": False,
    } | told


def closed(**told: Any) -> Json:
    """What makes a pull request a closed one."""
    return {"state": "closed", "closed_at": _AT} | told


def merged() -> Json:
    """What makes a pull request a merged one."""
    return closed(merged_at=_AT)


def team(slug: str = "justice-league") -> Json:
    return {
        "id": 1,
        "node_id": "MDQ6VGVhbTE=",
        "url": f"{API}/teams/1",
        "html_url": f"https://github.com/orgs/github/teams/{slug}",
        "name": "Justice League",
        "slug": slug,
        "description": "A great team.",
        "privacy": "closed",
        "permission": "admin",
        "members_url": f"{API}/teams/1/members{{/member}}",
        "repositories_url": f"{API}/teams/1/repos",
        "parent": None,
    }


def review(login: str | None, state: str, association: str = "MEMBER") -> Json:
    return {
        "id": 80,
        "node_id": "MDE3OlB1bGxSZXF1ZXN0UmV2aWV3ODA=",
        "user": user(login) if login else None,
        "body": "Here is the body for the review.",
        "state": state,
        "html_url": "https://github.com/octo/cat/pull/7#pullrequestreview-80",
        "pull_request_url": f"{API}/repos/octo/cat/pulls/7",
        "_links": {"html": {"href": ""}, "pull_request": {"href": ""}},
        "submitted_at": _AT,
        "commit_id": SHA,
        "author_association": association,
    }


def check_run(status: str = "completed", conclusion: str | None = "success", name: str = "test") -> Json:
    return {
        "id": 4,
        "head_sha": SHA,
        "node_id": "MDg6Q2hlY2tSdW40",
        "external_id": "",
        "url": f"{API}/repos/octo/cat/check-runs/4",
        "html_url": "https://github.com/octo/cat/runs/4",
        "details_url": "https://example.com",
        "status": status,
        "conclusion": conclusion,
        "started_at": _AT,
        "completed_at": _AT if status == "completed" else None,
        "output": {
            "title": None,
            "summary": None,
            "text": None,
            "annotations_count": 0,
            "annotations_url": f"{API}/repos/octo/cat/check-runs/4/annotations",
        },
        "name": name,
        "check_suite": {"id": 5},
        "app": {"id": 15368, "slug": "github-actions", "name": "GitHub Actions"},
        "pull_requests": [],
    }


def check_runs(*runs: Json) -> Json:
    return {"total_count": len(runs), "check_runs": list(runs)}


def combined_status(state: str = "pending", contexts: int = 0) -> Json:
    statuses = [
        {
            "url": f"{API}/repos/octo/cat/statuses/{SHA}",
            "avatar_url": "https://github.com/images/error/hubot_happy.gif",
            "id": number,
            "node_id": "MDY6U3RhdHVzMQ==",
            "state": state,
            "description": "Build has completed",
            "target_url": "https://ci.example.com/1000/output",
            "context": f"continuous-integration/{number}",
            "created_at": _AT,
            "updated_at": _AT,
        }
        for number in range(contexts)
    ]
    return {
        "state": state,
        "statuses": statuses,
        "sha": SHA,
        "total_count": contexts,
        "repository": repository("octo/cat"),
        "commit_url": f"{API}/repos/octo/cat/commits/{SHA}",
        "url": f"{API}/repos/octo/cat/commits/{SHA}/status",
    }


def error(message: str, status: int) -> Json:
    return {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}


def _number(name: str) -> int:
    return sum(place * ord(letter) for place, letter in enumerate(name, 1))
