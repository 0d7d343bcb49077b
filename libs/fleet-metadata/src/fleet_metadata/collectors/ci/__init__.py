from fleet_metadata.collectors.ci.ci_collector import CiCollector

__all__ = ["CiCollector"]
