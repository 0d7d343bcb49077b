from fleet_metadata.collectors.forges.github import GitHubCollector
from fleet_metadata.collectors.forges.gitlab import GitLabCollector

__all__ = ["GitHubCollector", "GitLabCollector"]
