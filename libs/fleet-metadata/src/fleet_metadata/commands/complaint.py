import typer


def complain(fault: Exception) -> None:
    """Says on standard error, in one line, what went wrong."""
    # What git and servers say may have more than one.
    typer.echo(f"Error: {' '.join(str(fault).split())}", err=True)
