package realtimedouble

// Roles makes Supabase's roles, which belong to the cluster, and lets them
// read what is and will be in schema public. It may be run again.
const Roles = `
do $$
declare r text;
begin
	foreach r in array array['anon', 'authenticated', 'service_role bypassrls'] loop
		begin
			execute 'create role ' || r;
		exception when duplicate_object or unique_violation then
			-- another database's set-up was first
		end;
	end loop;
end $$;
grant usage on schema public to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
grant all on all tables in schema public to anon, authenticated, service_role;
`
