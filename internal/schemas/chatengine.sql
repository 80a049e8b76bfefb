create table public.conversations (
  id text primary key,
  workspace_id text,
  contact_id text,
  whatsapp_number_id text,
  channel text,
  last_message jsonb,
  participants jsonb,
  updated_at timestamptz default now()
);

create table public.messages (
  id text primary key,
  workspace_id text,
  conversation_id text,
  sender_id text,
  type text,
  content text,
  reply_to_message_id text,
  status text,
  attachments jsonb,
  metadata jsonb,
  provider text,
  external_message_id text,
  created_at timestamptz default now(),
  updated_at timestamptz
);
create unique index messages_external on public.messages (workspace_id, provider, external_message_id)
  where external_message_id is not null;
