create table public.contacts (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null,
  name text not null,
  phone text not null,
  email text,
  avatar_url text,
  raw_jid text,
  tags text[] default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table public.workspace_members (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null,
  workspace_id uuid not null,
  role text not null,
  created_at timestamptz not null default now()
);

create table public.conversations (
  id uuid primary key default gen_random_uuid(),
  contact_id uuid not null references public.contacts (id) on delete cascade,
  whatsapp_number_id uuid,
  last_message_at timestamptz,
  unread_count integer default 0,
  is_typing boolean default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  workspace_id uuid not null,
  pipeline_id uuid,
  stage_id uuid,
  is_group boolean default false,
  remote_jid text,
  group_remote_jid text
);
alter table public.conversations replica identity full;
create unique index conversations_jid on public.conversations (workspace_id, whatsapp_number_id, remote_jid)
  where remote_jid is not null;

create table public.messages (
  id uuid primary key default gen_random_uuid(),
  conversation_id uuid not null references public.conversations (id) on delete cascade,
  whatsapp_number_id uuid,
  body text not null,
  type text default 'text' check (type is null or type in ('text', 'image', 'video', 'audio', 'document', 'sticker',
    'reaction', 'location', 'contact', 'vcard', 'unknown', 'ptt')),
  status text default 'sending',
  is_outgoing boolean default true,
  media_url text,
  external_id text,
  error_message text,
  created_at timestamptz not null default now(),
  workspace_id uuid not null,
  client_id text,
  sent_by_user_id uuid,
  media_path text,
  media_type text,
  mime_type text,
  size_bytes bigint,
  duration_ms integer,
  thumbnail_path text,
  thumbnail_url text,
  provider_reply_id text,
  reply_to_id uuid references public.messages (id) on delete set null,
  quoted_message jsonb,
  sender_jid text
);
alter table public.messages replica identity full;
create unique index messages_external_id on public.messages (workspace_id, external_id) where external_id is not null;
create index messages_by_conversation on public.messages (conversation_id, created_at desc);

create function public.set_updated_at() returns trigger language plpgsql as $$
begin
  new.updated_at := now();
  return new;
end $$;
create trigger conversations_updated_at before update on public.conversations
  for each row execute function public.set_updated_at();
create trigger contacts_updated_at before update on public.contacts
  for each row execute function public.set_updated_at();

create publication supabase_realtime for table public.messages, public.conversations;
