from pathlib import Path

from fleet_metadata.collectors.git.repository import Repository
from fleet_metadata.settings import Settings


class Workspace:
    """What a collector is made with: the folder to tell of, its git repository, and the settings.

    A collector of another package has settings of its own.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder: Path = settings.metadata_folder.absolute()
        self.repository = Repository(self.folder)
