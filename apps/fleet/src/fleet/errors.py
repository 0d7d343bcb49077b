class FleetError(Exception):
    """`fleet up` cannot start or cannot go on; the text says what happened and what to do."""
