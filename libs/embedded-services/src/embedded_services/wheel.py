from importlib.util import find_spec
from pathlib import Path

from embedded_services.errors import UnsupportedHost


def program_of_wheel(package: str, pattern: str, advice: str) -> Path:
    """The path of the program that matches `pattern` in an installed package.

    Raises UnsupportedHost, with `advice`, if the package is not installed or holds nothing for this machine.
    """
    # Found, not imported: of these packages only the files are used, and one warns at import.
    spec = find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    programs = [program for folder in folders or () for program in Path(folder).glob(pattern)]
    if not programs:
        raise UnsupportedHost(f"The package {package} has no program for this machine; {advice}.")
    return programs[0]
