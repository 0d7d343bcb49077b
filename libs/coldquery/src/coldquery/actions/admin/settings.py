from typing import cast

from coldquery.actions.admin.answers import Category, OneSetting, Setting, SettingChange, SettingList
from coldquery.actions.admin.setting import set_setting
from coldquery.actions.catalogue import Catalogue, looking, page
from coldquery.actions.context import Context
from coldquery.actions.hinted import hinted
from coldquery.errors import Refused

MAX_SETTINGS = 200


async def settings(
    context: Context,
    *,
    setting_name: str | None = None,
    setting_value: str | None = None,
    category: str | None = None,
    session_id: str | None = None,
    autocommit: bool = False,
) -> SettingList | OneSetting | SettingChange:
    """The settings of a category, or one by its name; with a value it is set, which counts as a write.

    Without category and name: those that are not as they come. Raises Refused for a name or category that
    there is not, and for a value without a name.
    """
    if setting_name is None:
        if setting_value is not None:
            raise Refused("A value is given, but no name.", hint="Give setting_name too.")
        return await _listed(context, category, session_id)
    if category is not None:
        raise Refused("Both a name and a category are given.", hint="Give setting_name or category.")
    if setting_value is not None:
        return await set_setting(context, setting_name, setting_value, session_id, autocommit=autocommit)
    async with looking(context, session_id) as catalogue:
        setting = await _one(catalogue, setting_name)
    return hinted(OneSetting(setting=setting), catalogue.hint)


async def _listed(context: Context, category: str | None, session_id: str | None) -> SettingList:
    async with looking(context, session_id) as catalogue:
        found, total = page(await catalogue.rows("settings_of", category, MAX_SETTINGS))
        categories = await catalogue.rows("categories")
    if category is not None and not found:
        names = "; ".join(row["name"] for row in categories)
        raise Refused(f"No category has {category!r} in its name.", hint=f"There are: {names}.")
    answer = SettingList(
        settings=cast("list[Setting]", found),
        total=total,
        categories=None if category is not None else cast("list[Category]", categories),
    )
    return hinted(answer, catalogue.hint)


async def _one(catalogue: Catalogue, name: str) -> Setting:
    if rows := await catalogue.rows("setting_named", name):
        return cast("Setting", rows[0])
    if "." in name and (value := (await catalogue.row("placeholder", name))["value"]) is not None:
        return _custom(name, value)
    like = [row["name"] for row in await catalogue.rows("settings_like", name)]
    raise Refused(
        f"There is no setting {name!r}, or this server's role may not see it.",
        hint=f"There is {', '.join(like)}." if like else "Without a name, the categories are told.",
    )


def _custom(name: str, value: str) -> Setting:
    return Setting(
        name=name,
        value=value,
        category="Customized Options",
        description=None,
        type="string",
        unit=None,
        source="session",
        default=None,
        minimum=None,
        maximum=None,
        allowed=None,
        settable="by anyone",
        pending_restart=False,
    )
