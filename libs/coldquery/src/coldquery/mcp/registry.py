"""Which actions the tools have: one handler for each, and what it takes is what its signature says."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any, Self, get_type_hints

from coldquery.actions.context import Context
from coldquery.errors import Refused

Handler = Callable[..., Awaitable[Mapping[str, Any]]]
"""`async def action(context: Context, *, sql: str, max_rows: int | None = None) -> Answer`."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a tool does."""

    tool: str
    name: str
    handler: Handler
    takes: tuple[str, ...]
    needs: tuple[str, ...]
    """Of these, those that it cannot do without."""
    answer: Any
    """The type of what it answers."""

    @classmethod
    def of(cls, tool: str, name: str, handler: Handler) -> Self:
        """What `handler` does, as the action `name` of `tool`; its keyword-only parameters are what it takes."""
        found = inspect.signature(handler).parameters.values()
        taken = [parameter for parameter in found if parameter.kind is parameter.KEYWORD_ONLY]
        return cls(
            tool=tool,
            name=name,
            handler=handler,
            takes=tuple(parameter.name for parameter in taken),
            needs=tuple(parameter.name for parameter in taken if parameter.default is parameter.empty),
            answer=get_type_hints(handler)["return"],
        )

    def check(self, given: Mapping[str, Any]) -> None:
        """Raise Refused where something is given that it does not take, or something lacks."""
        called = f"{self.tool} {self.name}"
        if unknown := sorted(given.keys() - set(self.takes)):
            takes = f"it takes {_listed(self.takes)}" if self.takes else "it takes none"
            raise Refused(f"{called} does not take {_listed(unknown)}.", hint=f"Leave it out; {takes}.")
        if missing := [name for name in self.needs if name not in given]:
            raise Refused(f"{called} needs {_listed(missing)}.", hint=f"It takes {_listed(self.takes)}.")


class Registry:
    """The actions of all tools; `handlers` go by the name of their tool, then by that of the action."""

    def __init__(self, handlers: Mapping[str, Mapping[str, Handler]]) -> None:
        self._tools = {
            tool: {name: Action.of(tool, name, handler) for name, handler in actions.items()}
            for tool, actions in handlers.items()
        }

    def tools(self) -> Mapping[str, Mapping[str, Action]]:
        """The actions by tool and name."""
        return self._tools

    def answer(self, tool: str) -> Any:
        """The type of what the actions of `tool` answer: one of several."""
        return reduce(or_, dict.fromkeys(action.answer for action in self._tools[tool].values()))

    async def run(
        self, tool: str, name: str, context: Context, given: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """What the action answers to what of `given` is not None. Raises ColdQueryError."""
        action = self._action(tool, name)
        passed = {parameter: value for parameter, value in given.items() if value is not None}
        action.check(passed)
        return await action.handler(context, **passed)

    def _action(self, tool: str, name: str) -> Action:
        actions = self._tools[tool]
        if name not in actions:
            raise Refused(f"{tool} has no action {name!r}.", hint=f"Its actions are {_listed(actions)}.")
        return actions[name]


def _listed(names: Any) -> str:
    return ", ".join(names)
