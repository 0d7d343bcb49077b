"""What the tests of several parts share: a database with something in it."""

from collections.abc import AsyncGenerator, Callable, Generator

import asyncpg
import pytest
import pytest_asyncio
from cq_values import opened

SHOP = """
create table customer (id int primary key, name text not null, email text unique, joined date not null default '2026-01-01');
create table purchase (
    id bigint generated always as identity primary key,
    customer_id int not null references customer,
    amount numeric(12, 2) not null,
    tags text[] not null default '{}',
    about jsonb not null default '{}',
    bought_at timestamptz not null default '2026-01-01T00:00:00Z'
);
create index purchase_of on purchase (customer_id);
insert into customer select i, 'customer ' || i, 'c' || i || '@example.org' from generate_series(1, 100) i;
insert into purchase (customer_id, amount, tags, about)
    select 1 + i % 100, i * 1.25, array['t' || i % 3], jsonb_build_object('item', i % 7)
    from generate_series(1, 1000) i;
create view spending as select customer_id, sum(amount) as total from purchase group by 1;
create function bump() returns int language plpgsql volatile as
    $$ begin update customer set name = 'bumped'; return 1; end $$;
create sequence ticket;
analyze;
"""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shop_template(create_database: Callable[..., str]) -> str:
    """The URL of a database with the shop in it, to which nobody is connected."""
    url = create_database()
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(SHOP)
    finally:
        await connection.close()
    return url


@pytest.fixture(scope="module")
def common_shop(
    shop_template: str, create_database: Callable[..., str], drop_database: Callable[[str], None]
) -> Generator[str]:
    """The URL of a shop for all tests of a module that leave it as it is."""
    url = create_database(shop_template)
    yield url
    drop_database(url)


@pytest.fixture
async def shop(
    shop_template: str, create_database: Callable[..., str], drop_database: Callable[[str], None]
) -> AsyncGenerator[str]:
    """The URL of a shop of the test's own, as its superuser."""
    url = create_database(shop_template)
    yield url
    drop_database(url)


@pytest.fixture(scope="session")
def shop_to_read(shop_template: str, create_database: Callable[..., str]) -> str:
    """The URL of a shop that the tests share, as its superuser: nothing may be written there."""
    return create_database(shop_template)


@pytest.fixture
async def admin(shop: str) -> AsyncGenerator[asyncpg.Connection]:
    """A bare connection to the shop, to look at what was done."""
    connection = await asyncpg.connect(shop)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def values_url(create_database: Callable[..., str]) -> str:
    """The URL of an empty database; what is made in it is temporary."""
    return create_database()


@pytest.fixture
async def connection(values_url: str) -> AsyncGenerator[asyncpg.Connection]:
    """A connection to the empty database, with the codecs for values."""
    connection = await opened(values_url)
    yield connection
    await connection.close()
