import pytest
from cart import total

PRICES = {"telescope": 349.95, "lens": 10.0}


def test_each_thing_costs_its_price_as_often_as_it_is_there() -> None:
    assert total(PRICES, {"telescope": 1, "lens": 3}) == pytest.approx(379.95)


def test_what_has_no_price_is_no_gift() -> None:
    with pytest.raises(KeyError, match="comet"):
        total(PRICES, {"comet": 1})
