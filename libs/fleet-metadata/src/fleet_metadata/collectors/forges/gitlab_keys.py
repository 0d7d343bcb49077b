from fleet_metadata.collectors.forges.pipeline import PIPELINE_STATUSES
from fleet_metadata.key import Key, ValueType

PROJECT = "gitlab_project"
PIPELINE_STATUS = "gitlab_pipeline_status"

GITLAB_KEYS = (
    Key(PROJECT, ValueType.STRING, "Project at GitLab, as group/name"),
    Key(
        "gitlab_mr_number",
        ValueType.NUMBER,
        "Number of the branch's merge request: the newest that is open, else the newest; null without one",
        in_list=True,
    ),
    Key(
        "gitlab_mr_status",
        ValueType.ENUM,
        "Whether that merge request is open, closed or merged",
        values=("open", "closed", "merged"),
    ),
    Key("gitlab_mr_title", ValueType.STRING, "Title of that merge request"),
    Key("gitlab_mr_url", ValueType.STRING, "Where to read that merge request"),
    Key(
        PIPELINE_STATUS,
        ValueType.ENUM,
        "State of that merge request's last pipeline, or of the branch's without one; null without pipelines",
        values=PIPELINE_STATUSES,
    ),
)
