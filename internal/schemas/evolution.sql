create type public."DeviceMessage" as enum ('ios', 'android', 'web', 'unknown', 'desktop');

create table public."Chat" (
  id text primary key default gen_random_uuid(),
  "remoteJid" varchar(100) not null,
  name varchar(100),
  labels jsonb,
  "createdAt" timestamp default '2026-01-01',
  "updatedAt" timestamp,
  "instanceId" text not null,
  "unreadMessages" integer not null default 0
);
create unique index on public."Chat" ("instanceId", "remoteJid");

create table public."Contact" (
  id text primary key default gen_random_uuid(),
  "remoteJid" varchar(100) not null,
  "pushName" varchar(100),
  "profilePicUrl" varchar(500),
  "createdAt" timestamp default '2026-01-01',
  "updatedAt" timestamp,
  "instanceId" text not null
);
create unique index on public."Contact" ("remoteJid", "instanceId");

create table public."Message" (
  id text primary key default gen_random_uuid(),
  key jsonb not null,
  "pushName" varchar(100),
  participant varchar(100),
  "messageType" varchar(100) not null,
  message jsonb not null,
  "contextInfo" jsonb,
  source public."DeviceMessage" not null default 'android',
  "messageTimestamp" integer not null,
  "chatwootMessageId" integer,
  "instanceId" text not null,
  "webhookUrl" varchar(500),
  "sessionId" text,
  status varchar(30)
);
create index on public."Message" ("instanceId", (key->>'remoteJid'), "messageTimestamp");
