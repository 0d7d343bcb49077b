from dataclasses import replace
from pathlib import Path

from ci_client.project.git import current_branch, current_commit
from ci_client.submission import Submission


def of_checkout(submission: Submission, folder: Path) -> Submission:
    """With the branch and the commit that git has checked out in `folder`, where it names none."""
    if not folder.is_dir():
        return submission
    return replace(
        submission,
        branch=submission.branch or current_branch(folder),
        commit=submission.commit or current_commit(folder),
    )
