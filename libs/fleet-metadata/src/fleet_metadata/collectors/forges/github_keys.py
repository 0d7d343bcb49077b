from fleet_metadata.collectors.forges.checks import OUTCOMES
from fleet_metadata.collectors.forges.reviews import DECISIONS
from fleet_metadata.key import Key, ValueType

REPO_NAME = "github_repo_name"
REVIEW_DECISION = "github_review_decision"
CHECKS_STATUS = "github_checks_status"

GITHUB_KEYS = (
    Key(REPO_NAME, ValueType.STRING, "Repository at GitHub, as owner/name"),
    Key(
        "github_pr_number",
        ValueType.NUMBER,
        "Number of the branch's pull request: the newest that is open, else the newest; null without one",
        in_list=True,
    ),
    Key(
        "github_pr_status",
        ValueType.ENUM,
        "Whether that pull request is open, closed or merged",
        values=("open", "closed", "merged"),
    ),
    Key("github_pr_title", ValueType.STRING, "Title of that pull request"),
    Key("github_pr_url", ValueType.STRING, "Where to read that pull request"),
    Key("github_pr_draft", ValueType.BOOLEAN, "Whether that pull request is a draft"),
    Key(
        REVIEW_DECISION,
        ValueType.ENUM,
        "What the reviewers decided, review_required while one is asked for; null when nobody was asked",
        values=DECISIONS,
    ),
    Key(
        CHECKS_STATUS,
        ValueType.ENUM,
        "What the checks of the pull request's last commit come to, null without checks",
        values=OUTCOMES,
    ),
)
