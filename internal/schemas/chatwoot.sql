create table public.contacts (
  id serial primary key,
  account_id integer not null,
  name varchar default '',
  email varchar,
  phone_number varchar,
  identifier varchar,
  last_name varchar default '',
  contact_type integer default 0,
  additional_attributes jsonb default '{}',
  created_at timestamp not null default '2026-01-01',
  updated_at timestamp not null default '2026-01-01'
);

create table public.conversations (
  id serial primary key,
  account_id integer not null,
  inbox_id integer not null,
  status integer not null default 0,
  assignee_id integer,
  contact_id bigint,
  display_id integer not null,
  uuid uuid not null default gen_random_uuid(),
  additional_attributes jsonb default '{}',
  last_activity_at timestamp not null default current_timestamp,
  created_at timestamp not null default '2026-01-01',
  updated_at timestamp not null default '2026-01-01'
);
create unique index on public.conversations (account_id, display_id);

create table public.messages (
  id serial primary key,
  content text,
  account_id integer not null,
  inbox_id integer not null,
  conversation_id integer not null,
  message_type integer not null,
  private boolean not null default false,
  status integer default 0,
  source_id text,
  content_type integer not null default 0,
  content_attributes json default '{}',
  sender_type varchar,
  sender_id bigint,
  external_source_ids jsonb default '{}',
  additional_attributes jsonb default '{}',
  processed_message_content text,
  sentiment jsonb default '{}',
  created_at timestamp not null default '2026-01-02',
  updated_at timestamp not null default '2026-01-02'
);
create index on public.messages (conversation_id);

create table public.attachments (
  id serial primary key,
  file_type integer default 0,
  external_url varchar,
  coordinates_lat float default 0,
  coordinates_long float default 0,
  message_id integer not null,
  account_id integer not null,
  fallback_title varchar,
  extension varchar,
  meta jsonb default '{}',
  created_at timestamp not null default '2026-01-02',
  updated_at timestamp not null default '2026-01-02'
);
create index on public.attachments (message_id);
