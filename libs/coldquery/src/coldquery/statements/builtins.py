"""PostgreSQL's own functions whose volatility does not say whether they belong into a read.

Gone through for PostgreSQL 16 and 18: every volatile function of `pg_catalog` that is not here is refused.
Reading views of `pg_catalog` and of extensions is no call of the functions beneath them.
"""

from typing import Final

HARMLESS: Final = frozenset(
    {
        # Chance, and the time of day.
        *("array_sample", "array_shuffle", "gen_random_uuid", "random", "random_normal", "uuidv4", "uuidv7"),
        *("clock_timestamp", "timeofday"),
        # Waiting, for which there is the timeout.
        *("pg_sleep", "pg_sleep_for", "pg_sleep_until"),
        # Sizes, and where sequences stand.
        *("pg_database_size", "pg_indexes_size", "pg_relation_size", "pg_table_size", "pg_tablespace_size"),
        *("pg_total_relation_size", "currval", "lastval", "pg_get_sequence_data", "pg_sequence_last_value"),
        # What the catalogue says.
        *("current_query", "pg_collation_actual_version", "pg_database_collation_actual_version"),
        *("pg_partition_ancestors", "pg_partition_tree", "pg_tablespace_databases", "amvalidate"),
        # Who waits for whom, and what is prepared.
        *("pg_blocking_pids", "pg_isolation_test_session_is_blocked", "pg_lock_status", "pg_prepared_xact"),
        *("pg_safe_snapshot_blocking_pids", "pg_notification_queue_usage", "pg_get_multixact_members"),
        # How far transactions, the write-ahead log and replication are.
        *("pg_last_committed_xact", "pg_xact_commit_timestamp", "pg_xact_commit_timestamp_origin"),
        *("pg_xact_status", "txid_status", "pg_current_wal_flush_lsn", "pg_current_wal_insert_lsn"),
        *("pg_current_wal_lsn", "pg_get_wal_replay_pause_state", "pg_get_wal_resource_managers"),
        *("pg_get_wal_summarizer_state", "pg_is_in_recovery", "pg_is_wal_replay_paused"),
        *("pg_last_wal_receive_lsn", "pg_last_wal_replay_lsn", "pg_last_xact_replay_timestamp"),
        *("pg_replication_origin_progress", "pg_show_replication_origin_status"),
        # What the server says of itself.
        *("pg_control_checkpoint", "pg_control_init", "pg_control_recovery", "pg_control_system"),
        *("pg_get_aios", "pg_get_backend_memory_contexts", "pg_get_shmem_allocations"),
        *("pg_get_shmem_allocations_numa", "pg_get_wait_events", "pg_jit_available"),
        # Statistics, read.
        *("pg_stat_get_backend_io", "pg_stat_get_backend_wal", "pg_stat_get_io", "pg_stat_have_stats"),
        *("pg_stat_get_recovery_prefetch", "pg_stat_get_xact_blocks_fetched", "pg_stat_get_xact_blocks_hit"),
        *("pg_stat_get_xact_function_calls", "pg_stat_get_xact_function_self_time"),
        *("pg_stat_get_xact_function_total_time", "pg_stat_get_xact_numscans"),
        *("pg_stat_get_xact_tuples_deleted", "pg_stat_get_xact_tuples_fetched"),
        *("pg_stat_get_xact_tuples_hot_updated", "pg_stat_get_xact_tuples_inserted"),
        *("pg_stat_get_xact_tuples_newpage_updated", "pg_stat_get_xact_tuples_returned"),
        "pg_stat_get_xact_tuples_updated",
    }
)
"""Volatile, and allowed in a read."""

DANGEROUS: Final = frozenset(
    {
        # They run SQL given as text, or read tables by name: what that calls cannot be seen.
        *("query_to_xml", "query_to_xml_and_xmlschema", "query_to_xmlschema", "ts_rewrite", "ts_stat"),
        *("cursor_to_xml", "cursor_to_xmlschema", "table_to_xml", "table_to_xml_and_xmlschema"),
        *("schema_to_xml", "schema_to_xml_and_xmlschema", "database_to_xml"),
        "database_to_xml_and_xmlschema",
        # They make values of a type given as text or by its number: the check of a domain may call anything.
        *("pg_input_error_info", "pg_input_is_valid"),
        *("array_in", "domain_in", "multirange_in", "range_in", "record_in"),
        # They use up a transaction id; their namesakes …_if_assigned do not.
        *("pg_current_xact_id", "txid_current"),
    }
)
"""Refused in a read, though some of them are declared stable."""

DANGEROUS_OF_EXTENSIONS: Final = frozenset(
    # Of tablefunc and xml2: they, too, run SQL given as text, and are declared stable.
    {"connectby", "crosstab", "crosstab2", "crosstab3", "crosstab4", "xpath_table"}
)
"""Refused in a read if they are written in C; others may have functions of such names in SQL."""
