from fleet_metadata.key import Key, ValueType

ID, STATUS, SUCCESS = "ci_job_id", "ci_job_status", "ci_job_success"

CI_KEYS = (
    Key(ID, ValueType.STRING, "Id of the newest CI job of the branch; null without one"),
    Key(
        STATUS,
        ValueType.ENUM,
        "How it stands with that job; failed is one that did not run to its end",
        in_list=True,
        values=("queued", "running", "completed", "failed", "cancelled"),
    ),
    Key(SUCCESS, ValueType.BOOLEAN, "Whether the tests of that job passed; null until it has ended"),
)
