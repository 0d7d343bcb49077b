from pathlib import Path

import pytest
from git_repositories import MadeRepository, isolate, script

from fleet_metadata.collectors.git.repository import Repository


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    return MadeRepository(tmp_path / "made")


async def test_a_last_commit_is_told_whole(made: MadeRepository) -> None:
    message = "Make it so\n\nFor two reasons:\n\n  - one\n  - two ✓"
    commit = made.commit(message)
    last = await Repository(made.folder).last_commit()
    assert last
    assert (last.hash, last.message, last.author) == (commit, message, "Ada Lovelace")
    assert last.committed_at == "2026-02-14T12:00:00+05:30"


async def test_before_the_first_commit_there_is_none(made: MadeRepository) -> None:
    assert await Repository(made.folder).last_commit() is None


@pytest.mark.parametrize("author", ["Zoë O'Neil", 'Q "q" \\ 中文 😀', "a\tb", "x" * 500])
async def test_an_author_may_have_an_odd_name(made: MadeRepository, author: str) -> None:
    made.git("commit", "--quiet", "--allow-empty", "--message", "m", GIT_AUTHOR_NAME=author)
    last = await Repository(made.folder).last_commit()
    assert last
    assert last.author == author


async def test_a_commit_in_another_encoding_is_read_as_what_it_is(made: MadeRepository) -> None:
    made.commit_object(
        b"author Zo\xeb <z@example.com> 1771070400 +0000\ncommitter C <c@example.com> 1771070400 +0000\n"
        b"encoding ISO-8859-1\n\ncaf\xe9\n"
    )
    last = await Repository(made.folder).last_commit()
    assert last
    assert (last.author, last.message) == ("Zoë", "café")
    assert last.committed_at == "2026-02-14T12:00:00+00:00"


async def test_bytes_that_are_no_text_are_replaced(made: MadeRepository) -> None:
    made.commit_object(
        b"author Zo\xeb <z@example.com> 1771070400 +0000\ncommitter C <c@example.com> 1771070400 +0000\n"
        b"\ncaf\xe9 \xff\n\nmore\n"
    )
    last = await Repository(made.folder).last_commit()
    assert last
    assert (last.author, last.message) == (
        "Zo\N{REPLACEMENT CHARACTER}",
        "caf\N{REPLACEMENT CHARACTER} \N{REPLACEMENT CHARACTER}\n\nmore",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("log.showSignature", "true"),
            ("log.decorate", "full"),
            ("log.date", "relative"),
            ("log.mailmap", "true"),
        ),
        *(("format.pretty", "oneline"), ("color.ui", "always"), ("i18n.logOutputEncoding", "ISO-8859-1")),
        *(("notes.displayRef", "refs/notes/*"), ("log.showRoot", "true"), ("log.abbrevCommit", "true")),
    ],
)
async def test_no_setting_changes_how_a_commit_is_told(made: MadeRepository, name: str, value: str) -> None:
    made.write(".mailmap", "Somebody Else <ada@example.com>\n")
    commit = made.commit("café")
    made.git("notes", "add", "--message", "a note")
    made.git("config", name, value)
    # Where git asked for signatures, that would be in its answer.
    made.git("config", "gpg.program", "/no/such/program")
    last = await Repository(made.folder).last_commit()
    assert last
    assert (last.hash, last.message, last.author) == (commit, "café", "Ada Lovelace")


async def test_a_signed_commit_is_told_without_looking_at_the_signature(
    made: MadeRepository, tmp_path: Path
) -> None:
    made.commit_object(
        b"author A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n"
        b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----\n\nSigned\n"
    )
    program = script(tmp_path, 'touch "$(dirname "$0")/was-asked"')
    made.git("config", "gpg.program", program)
    made.git("config", "log.showSignature", "true")
    made.git("log", "-1")
    assert (tmp_path / "was-asked").exists()
    (tmp_path / "was-asked").unlink()
    last = await Repository(made.folder).last_commit()
    assert last
    assert last.message == "Signed"
    assert not (tmp_path / "was-asked").exists()


async def test_the_commit_before_may_be_missing(made: MadeRepository) -> None:
    first = made.commit()
    made.commit("The second")
    (made.folder / ".git/objects" / first[:2] / first[2:]).unlink()
    last = await Repository(made.folder).last_commit()
    assert last
    assert last.message == "The second"


async def test_stashes_are_counted(made: MadeRepository) -> None:
    repository = Repository(made.folder)
    assert await repository.stash_count() == 0
    made.commit(a="a")
    for content in "bc":
        made.write("a", content)
        made.git("stash")
    assert await repository.stash_count() == 2
    assert (await repository.status()).stash_count == 2
