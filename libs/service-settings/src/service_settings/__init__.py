from service_settings.reading import read_settings
from service_settings.types import HttpUrl, Listed, Token

__all__ = ["HttpUrl", "Listed", "Token", "read_settings"]
