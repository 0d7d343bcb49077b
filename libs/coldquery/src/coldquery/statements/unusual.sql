-- Whether any name in a read could mean more than tables of plain types and PostgreSQL's own harmless
-- functions and operators, in whatever schema. Most reads are answered by this alone; where it is true,
-- reached.sql looks closely, which takes some milliseconds.
--
-- $1 names of functions and attributes, $2 of operators, $3 of types, $4 of relations
-- $5 volatile functions of pg_catalog that are allowed
-- $6 functions of pg_catalog that are refused, however they are declared
--
-- What PostgreSQL itself brings has oids below 16384. As in reached.sql, nothing may depend on the search path.
-- The lists come as text[], which drivers know without asking the catalogue.
select
    exists (
        select from pg_catalog.pg_proc f
        where f.proname operator(pg_catalog.=) any ($1::pg_catalog.text[]::pg_catalog.name[])
            and (
                f.oid operator(pg_catalog.>=) 16384::pg_catalog.oid
                or f.proname operator(pg_catalog.=) any ($6::pg_catalog.text[]::pg_catalog.name[])
                or (
                    f.provolatile operator(pg_catalog.=) 'v'::pg_catalog."char"
                    and not f.proname operator(pg_catalog.=) any ($5::pg_catalog.text[]::pg_catalog.name[])
                )
            )
    )
    or exists (
        select from pg_catalog.pg_operator o
        where o.oprname operator(pg_catalog.=) any ($2::pg_catalog.text[]::pg_catalog.name[])
            and o.oid operator(pg_catalog.>=) 16384::pg_catalog.oid
    )
    or exists (
        select from pg_catalog.pg_type t
        where t.typname operator(pg_catalog.=) any ($3::pg_catalog.text[]::pg_catalog.name[])
            and t.oid operator(pg_catalog.>=) 16384::pg_catalog.oid
    )
    or exists (
        select from pg_catalog.pg_class c
        where c.relname operator(pg_catalog.=) any ($4::pg_catalog.text[]::pg_catalog.name[])
            and c.oid operator(pg_catalog.>=) 16384::pg_catalog.oid
            and (
                c.relrowsecurity
                or c.relkind operator(pg_catalog.=) 'v'::pg_catalog."char"
                -- Rows, and arrays of rows, are plain unless somebody made casts for them.
                or exists (
                    select from pg_catalog.pg_type t
                    join pg_catalog.pg_cast k
                        on k.castsource operator(pg_catalog.=) t.oid or k.castsource operator(pg_catalog.=) t.typarray
                    where t.oid operator(pg_catalog.=) c.reltype
                )
                or exists (
                    select from pg_catalog.pg_attribute a
                    join pg_catalog.pg_type t on t.oid operator(pg_catalog.=) a.atttypid
                    where a.attrelid operator(pg_catalog.=) c.oid
                        and a.attnum operator(pg_catalog.>) 0::pg_catalog.int2
                        and t.oid operator(pg_catalog.>=) 16384::pg_catalog.oid
                        -- Enums are plain unless somebody made casts for them.
                        and (
                            t.typtype operator(pg_catalog.<>) 'e'::pg_catalog."char"
                            or exists (
                                select from pg_catalog.pg_cast k
                                where k.castsource operator(pg_catalog.=) any (array[t.oid, t.typarray])
                                    or k.casttarget operator(pg_catalog.=) any (array[t.oid, t.typarray])
                            )
                        )
                )
            )
    )
