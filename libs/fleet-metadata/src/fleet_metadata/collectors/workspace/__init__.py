from fleet_metadata.collectors.workspace.workspace_collector import WorkspaceCollector

__all__ = ["WorkspaceCollector"]
