import pytest

from embedded_services import UnsupportedHost
from embedded_services.wheel import program_of_wheel


@pytest.mark.parametrize("package", ["no_such_package", "embedded_services"])
def test_a_package_without_a_program_for_this_machine_is_named_with_a_way_out(package: str) -> None:
    with pytest.raises(UnsupportedHost, match=f"{package} has no program for this machine; bring your own"):
        program_of_wheel(package, "bin/server", "bring your own")
