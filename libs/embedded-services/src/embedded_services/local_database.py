from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from embedded_services.data_folder import DataFolder
from embedded_services.postgres import EmbeddedPostgres
from embedded_services.postgres_installation import answers_query, postgres_program


@contextmanager
def local_database(data_dir: Path) -> Generator[str]:
    """The URL of the database of a machine which has no DATABASE_URL, good for as long as the context lasts.

    It is the one that a running `fleet up` keeps in `<data_dir>/database-url`, if that really answers; else
    that of a server started for the context on `<data_dir>/postgres`, whose address is kept in that file
    meanwhile, for others to share it. Raises as `EmbeddedPostgres.start`.
    """
    kept = data_dir / "database-url"
    url = kept.read_text(errors="replace").strip() if kept.is_file() else ""
    if url and answers_query(url):
        yield url
    else:
        # Without a server to start, no folder for it is to be asked for.
        postgres_program("postgres")
        with EmbeddedPostgres(data_dir / "postgres") as server:
            DataFolder(data_dir).write_secret(kept.name, server.url + "\n")
            try:
                yield server.url
            finally:
                kept.unlink(missing_ok=True)
