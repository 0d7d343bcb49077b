from fleet_metadata.collectors.git.operation import Operation
from fleet_metadata.key import Key, ValueType

STATES = ("clean", "modified", "staged", "conflicted")

GIT_KEYS = (
    Key("git_branch", ValueType.STRING, "Current git branch, null when HEAD is detached", in_list=True),
    Key(
        "git_commit_hash",
        ValueType.STRING,
        "Hash of the commit that is checked out, null before the first one",
    ),
    Key("git_commit_message", ValueType.STRING, "Message of that commit, all of it"),
    Key("git_commit_author", ValueType.STRING, "Name of the author of that commit"),
    Key("git_commit_at", ValueType.STRING, "When that commit was made, as ISO 8601 with an offset"),
    Key(
        "git_status",
        ValueType.ENUM,
        "Whether files differ from that commit: conflicts before staged before modified or untracked ones",
        in_list=True,
        values=STATES,
    ),
    Key("git_dirty_files", ValueType.NUMBER, "How many paths git status lists, untracked ones too"),
    Key("git_ahead", ValueType.NUMBER, "Commits that the upstream branch lacks, null without an upstream"),
    Key(
        "git_behind",
        ValueType.NUMBER,
        "Commits of the upstream branch that are lacking here, null without one",
    ),
    Key("git_stash_count", ValueType.NUMBER, "How many stashes there are"),
    Key(
        "git_operation",
        ValueType.ENUM,
        "What was begun and is not ended, such as a merge or a rebase; null when nothing is",
        values=tuple(Operation),
    ),
    Key("git_remote_url", ValueType.STRING, "URL of the remote origin, without credentials"),
)
