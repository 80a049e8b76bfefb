-- Two conversations of one workspace, for a database with the CRM's schema that is
-- otherwise empty: so that something is seen. Loading it again changes nothing.

insert into public.contacts (id, workspace_id, name, phone) values
  ('00000000-0000-4000-8000-0000000000c1', '00000000-0000-4000-8000-000000000001', 'Ana Souza', '+5511990000001'),
  ('00000000-0000-4000-8000-0000000000c2', '00000000-0000-4000-8000-000000000001', 'Bruno Lima', '+5511990000002')
on conflict do nothing;

insert into public.conversations (id, contact_id, workspace_id, unread_count, last_message_at) values
  ('00000000-0000-4000-8000-0000000000a1', '00000000-0000-4000-8000-0000000000c1', '00000000-0000-4000-8000-000000000001', 1, now()),
  ('00000000-0000-4000-8000-0000000000a2', '00000000-0000-4000-8000-0000000000c2', '00000000-0000-4000-8000-000000000001', 0, now())
on conflict do nothing;

insert into public.messages (id, conversation_id, workspace_id, body, is_outgoing, status, created_at) values
  ('00000000-0000-4000-8000-0000000000e1', '00000000-0000-4000-8000-0000000000a1', '00000000-0000-4000-8000-000000000001', 'Olá, a loja abre amanhã?', false, 'delivered', now() - interval '2 minutes'),
  ('00000000-0000-4000-8000-0000000000e2', '00000000-0000-4000-8000-0000000000a1', '00000000-0000-4000-8000-000000000001', 'Abre sim, das 9 às 18.', true, 'read', now() - interval '1 minute'),
  ('00000000-0000-4000-8000-0000000000e3', '00000000-0000-4000-8000-0000000000a2', '00000000-0000-4000-8000-000000000001', 'Obrigado!', false, 'delivered', now() - interval '1 minute')
on conflict do nothing;
