from fleet_metadata.collectors.toolhive.toolhive_collector import ToolhiveCollector

__all__ = ["ToolhiveCollector"]
