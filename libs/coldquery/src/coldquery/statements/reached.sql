-- Which functions a read would call that do not belong into a read, and what in it leads there.
--
-- $1 what the statement names, as JSON: [{"class", "schema", "name", "arguments", "plain"}]
-- $2 volatile functions of pg_catalog that are allowed
-- $3 functions of pg_catalog that are refused, however they are declared
-- $4 functions of extensions that are, too
--
-- Its estimated costs are kept low, lest PostgreSQL compiles it.
--
-- Nothing here may depend on the search path, which may be the caller's own: types, functions and
-- operators are all qualified, and there is no IN, BETWEEN or JOIN USING, which look up an operator.
with recursive
    written as materialized (
        select *
        from pg_catalog.jsonb_to_recordset($1::pg_catalog.text::pg_catalog.jsonb) as w (
            number pg_catalog.int4, class pg_catalog.text, schema pg_catalog.text, name pg_catalog.text,
            arguments pg_catalog.int4, plain pg_catalog.bool
        )
    ),
    path as materialized (
        select n.oid as schema, p.rank
        from pg_catalog.unnest(pg_catalog.current_schemas(true)) with ordinality as p (name, rank)
        join pg_catalog.pg_namespace n on n.nspname operator(pg_catalog.=) p.name
    ),
    -- Where each name may be found. An unqualified one is looked for all along the path.
    places as materialized (
        select w.*, p.schema as place, p.rank
        from written w
        cross join path p
        where w.schema is null
            -- Of what is temporary, PostgreSQL finds only relations and types without their schema.
            and (w.class operator(pg_catalog.=) 'relation' or w.class operator(pg_catalog.=) 'type'
                or p.schema operator(pg_catalog.<>) pg_catalog.pg_my_temp_schema())
        union all
        select w.*, n.oid, 0
        from written w
        join pg_catalog.pg_namespace n on n.nspname operator(pg_catalog.=) w.schema
            or (w.schema operator(pg_catalog.=) 'pg_temp'
                and n.oid operator(pg_catalog.=) pg_catalog.pg_my_temp_schema())
    ),
    -- Every overload that takes so many arguments; of the same arguments the first along the path.
    functions as (
        select distinct on (w.number, f.proargtypes, case when w.plain then 0::pg_catalog.oid else f.oid end)
            w.number, f.oid, w.class, f.proargtypes
        from places w
        join pg_catalog.pg_proc f
            on f.proname operator(pg_catalog.=) w.name::pg_catalog.name
            and f.pronamespace operator(pg_catalog.=) w.place
        where (w.class operator(pg_catalog.=) 'function' or w.class operator(pg_catalog.=) 'attribute')
            and w.arguments operator(pg_catalog.>=) (
                f.pronargs operator(pg_catalog.-) f.pronargdefaults
                operator(pg_catalog.-) case when f.provariadic operator(pg_catalog.=) 0::pg_catalog.oid then 0 else 1 end
            )
            and (w.arguments operator(pg_catalog.<=) f.pronargs
                or f.provariadic operator(pg_catalog.<>) 0::pg_catalog.oid)
        order by w.number, f.proargtypes, case when w.plain then 0::pg_catalog.oid else f.oid end, w.rank
    ),
    operators as (
        select distinct on (w.number, o.oprleft, o.oprright) w.number, o.oprcode
        from places w
        join pg_catalog.pg_operator o
            on o.oprname operator(pg_catalog.=) w.name::pg_catalog.name
            and o.oprnamespace operator(pg_catalog.=) w.place
        where w.class operator(pg_catalog.=) 'operator'
        order by w.number, o.oprleft, o.oprright, w.rank
    ),
    relations as (
        select distinct on (w.number) w.number, c.oid
        from places w
        join pg_catalog.pg_class c
            on c.relname operator(pg_catalog.=) w.name::pg_catalog.name
            and c.relnamespace operator(pg_catalog.=) w.place
        where w.class operator(pg_catalog.=) 'relation'
        order by w.number, w.rank
    ),
    reached (number, class, object) as (
        select f.number, 'function', f.oid
        from functions f
        where f.class operator(pg_catalog.=) 'function'
            -- t.f calls f with the whole row: composite, polymorphic, or a domain over one.
            or exists (
                select from pg_catalog.pg_type t
                where t.oid operator(pg_catalog.=) f.proargtypes[0]
                    and t.typtype operator(pg_catalog.=) any ('{c,p,d}'::pg_catalog."char"[])
            )
        union
        select o.number, 'function', o.oprcode::pg_catalog.oid from operators o
        union
        select r.number, 'relation', r.oid from relations r
        union
        select w.number, 'type', t.oid
        from places w
        join pg_catalog.pg_type t
            on t.typname operator(pg_catalog.=) w.name::pg_catalog.name
            and t.typnamespace operator(pg_catalog.=) w.place
        where w.class operator(pg_catalog.=) 'type'
        union
        select r.number, further.class, further.object
        from reached r
        -- PostgreSQL's own have oids below 16384, and lead to nothing else than its own.
        cross join lateral (
            -- An aggregate is what it is made of.
            select 'function', part.oid
            from pg_catalog.pg_aggregate a
            cross join lateral pg_catalog.unnest(array[
                a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
                a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn
            ]::pg_catalog.oid[]) as part (oid)
            where r.class operator(pg_catalog.=) 'function'
                and a.aggfnoid operator(pg_catalog.=) r.object
                and part.oid operator(pg_catalog.<>) 0::pg_catalog.oid
            union all
            -- What a function takes may be cast to by itself, what it gives be written out.
            select 'type', t.oid
            from pg_catalog.pg_proc f
            cross join lateral pg_catalog.unnest(
                coalesce(f.proallargtypes, f.proargtypes::pg_catalog.oid[]) operator(pg_catalog.||) f.prorettype
            ) as of (type)
            join pg_catalog.pg_type t on t.oid operator(pg_catalog.=) of.type
            where r.class operator(pg_catalog.=) 'function'
                and f.oid operator(pg_catalog.=) r.object
                and t.typnamespace operator(pg_catalog.<>) 'pg_catalog'::pg_catalog.regnamespace
            union all
            -- The row of a relation and its columns, for the casts that their types have.
            select 'type', c.reltype
            from pg_catalog.pg_class c
            where r.class operator(pg_catalog.=) 'relation'
                and c.oid operator(pg_catalog.=) r.object
                and c.reltype operator(pg_catalog.<>) 0::pg_catalog.oid
            union all
            select 'type', t.oid
            from pg_catalog.pg_attribute c
            join pg_catalog.pg_type t on t.oid operator(pg_catalog.=) c.atttypid
            where r.class operator(pg_catalog.=) 'relation'
                and c.attrelid operator(pg_catalog.=) r.object
                and c.attnum operator(pg_catalog.>) 0::pg_catalog.int2
                and t.typnamespace operator(pg_catalog.<>) 'pg_catalog'::pg_catalog.regnamespace
            union all
            -- What a type is made of, and what is made of it without being named.
            select of.class, of.oid
            from pg_catalog.pg_type t
            left join pg_catalog.pg_range s
                on s.rngtypid operator(pg_catalog.=) t.oid or s.rngmultitypid operator(pg_catalog.=) t.oid
            cross join lateral (values
                ('type', t.typelem), ('type', t.typbasetype), ('relation', t.typrelid), ('type', s.rngsubtype),
                ('type', t.typarray), ('type', s.rngmultitypid),
                ('function', t.typinput::pg_catalog.oid), ('function', t.typoutput::pg_catalog.oid)
            ) as of (class, oid)
            where r.class operator(pg_catalog.=) 'type'
                and t.oid operator(pg_catalog.=) r.object
                and of.oid operator(pg_catalog.<>) 0::pg_catalog.oid
                -- PostgreSQL's own ways in and out are refused only to who calls them by name, with a type of choice.
                and (of.class operator(pg_catalog.<>) 'function' or of.oid operator(pg_catalog.>=) 16384::pg_catalog.oid)
            union all
            -- How values become it, and it becomes others.
            select 'function', c.castfunc
            from pg_catalog.pg_cast c
            where r.class operator(pg_catalog.=) 'type'
                and (c.castsource operator(pg_catalog.=) r.object or c.casttarget operator(pg_catalog.=) r.object)
                and c.castfunc operator(pg_catalog.<>) 0::pg_catalog.oid
            union all
            -- Views, row security, the checks of domains and the defaults of arguments are kept as trees, with oids
            -- in them.
            select
                case when found.of[1] operator(pg_catalog.~) 'func?id|fnoid' then 'function'
                    when found.of[1] operator(pg_catalog.=) 'relid' then 'relation' else 'type' end,
                each.oid
            from pg_catalog.concat_ws(
                ' ',
                (
                    select v.ev_action::pg_catalog.text
                    from pg_catalog.pg_rewrite v
                    join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) v.ev_class
                    where r.class operator(pg_catalog.=) 'relation'
                        and v.ev_class operator(pg_catalog.=) r.object
                        and v.ev_type operator(pg_catalog.=) '1'::pg_catalog."char"
                        and c.relkind operator(pg_catalog.=) 'v'::pg_catalog."char"
                        -- The system's own and those of extensions are made to be read.
                        and c.relnamespace operator(pg_catalog.<>) 'pg_catalog'::pg_catalog.regnamespace
                        and c.relnamespace operator(pg_catalog.<>) 'information_schema'::pg_catalog.regnamespace
                        and not exists (
                            select from pg_catalog.pg_depend d
                            where d.classid operator(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
                                and d.objid operator(pg_catalog.=) c.oid
                                and d.deptype operator(pg_catalog.=) 'e'::pg_catalog."char"
                        )
                ),
                (
                    select pg_catalog.string_agg(p.polqual::pg_catalog.text, ' ')
                    from pg_catalog.pg_policy p
                    join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) p.polrelid
                    where r.class operator(pg_catalog.=) 'relation'
                        and p.polrelid operator(pg_catalog.=) r.object
                        and p.polcmd operator(pg_catalog.=) any ('{r,*}'::pg_catalog."char"[])
                        and c.relrowsecurity
                ),
                (
                    select pg_catalog.string_agg(k.conbin::pg_catalog.text, ' ')
                    from pg_catalog.pg_constraint k
                    where r.class operator(pg_catalog.=) 'type' and k.contypid operator(pg_catalog.=) r.object
                ),
                (
                    select f.proargdefaults::pg_catalog.text
                    from pg_catalog.pg_proc f
                    where r.class operator(pg_catalog.=) 'function' and f.oid operator(pg_catalog.=) r.object
                )
            ) as kept (tree)
            cross join lateral pg_catalog.regexp_matches(
                kept.tree,
                ':(funcid|opfuncid|aggfnoid|winfnoid|relid|resulttype|typid|coltypes|funccoltypes) (?:\(o )?(\d+(?: \d+)*)',
                'g'
            ) as found (of)
            cross join lateral pg_catalog.unnest(
                pg_catalog.string_to_array(found.of[2], ' ')::pg_catalog.oid[]
            ) as each (oid)
        ) as further (class, object)
        where r.object operator(pg_catalog.>=) 16384::pg_catalog.oid
    )
select distinct
    w.class, w.schema, w.name,
    f.pronamespace::pg_catalog.regnamespace::pg_catalog.text as function_schema,
    f.proname::pg_catalog.text as function_name
from reached r
join written w on w.number operator(pg_catalog.=) r.number
join pg_catalog.pg_proc f on f.oid operator(pg_catalog.=) r.object
where r.class operator(pg_catalog.=) 'function'
    and case
        -- Not those that a superuser put there.
        when f.pronamespace operator(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace
            and f.oid operator(pg_catalog.<) 16384::pg_catalog.oid then
            f.proname operator(pg_catalog.=) any ($3::pg_catalog.text[]::pg_catalog.name[])
            or (f.provolatile operator(pg_catalog.=) 'v'::pg_catalog."char"
                and not f.proname operator(pg_catalog.=) any ($2::pg_catalog.text[]::pg_catalog.name[]))
        else f.provolatile operator(pg_catalog.=) 'v'::pg_catalog."char"
            or (
                f.proname operator(pg_catalog.=) any ($4::pg_catalog.text[]::pg_catalog.name[])
                and exists (
                    select from pg_catalog.pg_language l
                    where l.oid operator(pg_catalog.=) f.prolang
                        and l.lanname operator(pg_catalog.=) any ('{c,internal}'::pg_catalog.name[])
                )
            )
    end
order by 1, 2, 3, 4, 5
limit 1
