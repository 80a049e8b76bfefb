package realtimedouble

// Roles makes Supabase's roles, which belong to the cluster, and lets them
// read what is and will be in schema public. It may be run again.
const Roles = `
do $$
declare r text;
begin
	perform pg_advisory_xact_lock(7355608);
	foreach r in array array['anon', 'authenticated', 'service_role'] loop
		if not exists (select 1 from pg_roles where rolname = r) then
			execute format('create role %I nologin', r);
		end if;
	end loop;
	alter role service_role bypassrls;
end $$;
grant usage on schema public to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
grant all on all tables in schema public to anon, authenticated, service_role;
`
