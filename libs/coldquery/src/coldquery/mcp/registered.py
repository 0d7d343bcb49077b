"""The one table of all actions."""

from coldquery.actions.admin.maintenance import analyze, reindex, vacuum
from coldquery.actions.admin.settings import settings
from coldquery.actions.admin.stats import stats
from coldquery.actions.monitor.activity import activity, connections
from coldquery.actions.monitor.health import health
from coldquery.actions.monitor.locks import locks
from coldquery.actions.monitor.size import size
from coldquery.actions.monitor.slow_queries import slow_queries
from coldquery.actions.monitor.upkeep import index_health, vacuum_health
from coldquery.actions.query.explain import explain
from coldquery.actions.query.read import read
from coldquery.actions.query.transaction import transaction
from coldquery.actions.query.write import write
from coldquery.actions.schema.change import alter, create, drop
from coldquery.actions.schema.describe import describe
from coldquery.actions.schema.list_objects import list_objects
from coldquery.actions.transactions.begin import begin
from coldquery.actions.transactions.ending import commit, rollback
from coldquery.actions.transactions.listing import list_sessions
from coldquery.actions.transactions.savepoints import release, savepoint
from coldquery.mcp.registry import Registry

REGISTRY = Registry(
    {
        "pg_query": {"read": read, "write": write, "explain": explain, "transaction": transaction},
        "pg_tx": {
            "begin": begin,
            "commit": commit,
            "rollback": rollback,
            "savepoint": savepoint,
            "release": release,
            "list": list_sessions,
        },
        "pg_schema": {
            "list": list_objects,
            "describe": describe,
            "create": create,
            "alter": alter,
            "drop": drop,
        },
        "pg_admin": {
            "vacuum": vacuum,
            "analyze": analyze,
            "reindex": reindex,
            "stats": stats,
            "settings": settings,
        },
        "pg_monitor": {
            "health": health,
            "activity": activity,
            "connections": connections,
            "locks": locks,
            "size": size,
            "slow_queries": slow_queries,
            "index_health": index_health,
            "vacuum_health": vacuum_health,
        },
    }
)
