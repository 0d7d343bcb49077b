-- What the escapes need to be there: volatile functions, and all the ways to call one without naming it.
create function noisy(n int) returns int language plpgsql volatile as
    $$ begin update customer set name = 'noisy'; return n; end $$;
create function noisy(n int, m int) returns int language plpgsql volatile as
    $$ begin update customer set name = 'noisy'; return n + m; end $$;
create function noisy_default(a int default 1, b int default 2) returns int language sql volatile as 'select noisy(a)';
create function noisy_many(variadic n int[]) returns int language sql volatile as 'select noisy(1)';
create function noisy_rows() returns setof int language sql volatile as 'select noisy(1)';
create function nickname(of customer) returns text language sql volatile as 'select noisy(1)::text';
create function anything(of anyelement) returns text language sql volatile as 'select noisy(1)::text';
create function definer() returns int language sql volatile security definer as 'select noisy(1)';
create schema "Odd Schema";
create function "Odd Schema"."Strange ""Name"""() returns int language sql volatile as 'select public.noisy(1)';
create function "naïve"() returns int language sql volatile as 'select noisy(1)';

create operator <+> (leftarg = int, rightarg = int, function = noisy);
create operator <!> (rightarg = int, function = noisy);
create aggregate noisy_sum (int) (sfunc = noisy, stype = int, initcond = '0');
create domain noisy_number as int check (noisy(value) is not null);
create domain noisier_number as noisy_number;
create type pair as (a int, b noisy_number);
create type mood as enum ('glad', 'sad');
create function mood_number(of mood) returns int language sql volatile as 'select noisy(1)';
create cast (mood as int) with function mood_number (mood) as implicit;
create table diary (day int primary key, felt mood);
insert into diary values (1, 'glad');
create table guarded (id int primary key);
insert into guarded values (1);
alter table guarded enable row level security;
create policy noisy_policy on guarded for select using (noisy(id) > 0);

create view over_function as select noisy(1) as n;
create view over_view as select * from over_function;
create view over_operator as select 1 <+> 2 as n;
create view over_aggregate as select noisy_sum(id) as n from customer;
create view over_cast as select abs(felt) as n from diary;
create view over_domain as select id::noisier_number as n from customer;
create view over_window as select noisy_sum(id) over (order by id) as n from customer;
create view over_sequence as select nextval('ticket') as n;
create view over_table_function as select * from noisy_rows();
create view over_subquery as select (select max(x) from (select noisy(id) as x from customer) y) as n;

create function noisy_argument(a int default noisy(1)) returns int language plpgsql stable as 'begin return a; end';
create type noisy_range as range (subtype = noisy_number);
create function feelings(out felt mood, out times int) language sql immutable as $$ select 'glad'::mood, 1 $$;
create table parcel (weight int);
insert into parcel values (1);
create function parcel_number(of parcel) returns int language sql volatile as 'select noisy(1)';
create cast (parcel as int) with function parcel_number (parcel) as implicit;
create type colour as enum ('red', 'blue');
create function colours_number(of colour[]) returns int language sql volatile as 'select noisy(1)';
create cast (colour[] as int) with function colours_number (colour[]) as implicit;
create table paint (shade colour);
insert into paint values ('red');
create view over_argument as select noisy_argument() as n;

create schema shadow;
create function shadow.upper(of text) returns text language sql volatile as 'select public.noisy(1)::text';
create function shadow.added(a int, b int) returns int language sql volatile as 'select public.noisy(1)';
create operator shadow.+ (leftarg = int, rightarg = int, function = shadow.added);
create function shadow.now(of int default 1) returns int language sql volatile as 'select public.noisy(1)';
