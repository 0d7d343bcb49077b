"""What fits into an answer, and the names of what does not."""

from collections.abc import Iterable, Mapping, Sequence

from fleet_metadata.collection.entries import as_json, as_object

_COUNT_BYTES = 40


def within(
    data: Mapping[str, bytes], cut: Iterable[str], room: int
) -> tuple[Mapping[str, bytes], Sequence[str]]:
    """The members of `data` that fit into `room` bytes, the first ones first, and the names of the rest and of `cut`.

    The names take half of the room at the most; those for which there is none are counted.
    """
    cut = list(dict.fromkeys(cut))
    if len(as_object(data)) + len(as_json(cut)) <= room + len("{}[]"):
        return data, cut
    names = {name: len(as_json(name)) + 1 for name in (*cut, *data)}
    names_room = min(sum(names.values()), room // 2)
    are_all_named = names_room < room // 2
    # The first one has no comma before it.
    left = room - names_room + 1
    fitting = dict[str, bytes]()
    for name, entry in data.items():
        saved = names[name] if are_all_named and name not in cut else 0
        size = len(as_json(name)) + len(entry) + 2
        if size - saved <= left:
            fitting[name] = entry
            left -= size - saved
    rest = [*cut, *(name for name in data if name not in fitting and name not in cut)]
    return fitting, rest if are_all_named else _as_many_as_fit(rest, names_room)


def _as_many_as_fit(names: Sequence[str], room: int) -> Sequence[str]:
    fitting, left = list[str](), room - _COUNT_BYTES
    for name in names:
        left -= len(as_json(name)) + 1
        if left < 0:
            return [*fitting, f"... and {len(names) - len(fitting)} more"]
        fitting.append(name)
    return fitting
