from fleet_metadata.collectors.git.git_collector import GitCollector

__all__ = ["GitCollector"]
