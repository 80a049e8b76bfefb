create schema if not exists auth;
create or replace function auth.uid() returns uuid language sql stable as
  $$ select nullif(current_setting('request.jwt.claims', true)::jsonb ->> 'sub', '')::uuid $$;

create table public.conversations (
  id uuid primary key default gen_random_uuid(),
  account_id bigint default 1,
  status text default 'open',
  subject text,
  tags text[],
  meta jsonb,
  last_message_at timestamptz,
  created_at timestamptz default now(),
  updated_at timestamp
);
create table public.messages (
  id bigserial primary key,
  conversation_id uuid references public.conversations (id) on delete cascade,
  status text default 'sent',
  body text,
  payload jsonb,
  big bigint,
  amount numeric,
  price numeric,
  ratio float8,
  flag boolean,
  tags text[],
  nums integer[],
  blob bytea,
  d date,
  small smallint,
  ts timestamptz default now(),
  ts_plain timestamp,
  note varchar,
  kind char(3)
);
create table public.not_published (id int primary key);
create publication supabase_realtime for table public.messages, public.conversations;
